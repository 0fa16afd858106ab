"""What a processor whose bfloat16 convolutions are wrong would do, on any processor."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from lightning_app import bfloat16
from lightning_app.bfloat16 import guard_convolutions, sum_of_products, wrong_convolution


def right(wave: Tensor, weight: Tensor, stride: int) -> Tensor:
    """In float32, rounded once."""
    return sum_of_products(wave.float(), weight.float(), stride).bfloat16()


def coarse(wave: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Summed tap by tap in bfloat16: as rough as the type allows."""
    taps = [
        torch.einsum("ncl,fc->nfl", wave.unfold(2, weight.shape[2], stride)[..., tap], weight[..., tap])
        for tap in range(weight.shape[2])
    ]
    total = taps[0]
    for tap in taps[1:]:
        total = total + tap
    return total


def wrong(wave: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Right but for one shape, in which two taps change places, as two halves of a packed pair might."""
    if weight.shape == (16, 16, 8):
        weight = weight[..., [1, 0, 2, 3, 4, 5, 6, 7]]
    return right(wave, weight, stride)


class WrongGradient(torch.autograd.Function):
    """Passes values on, and gradients with a change of sign."""

    @staticmethod
    def forward(context: Any, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(context: Any, *gradient: Tensor) -> Tensor:
        return -gradient[0]


def wrong_gradient(wave: Tensor, weight: Tensor, stride: int) -> Tensor:
    return right(wave, WrongGradient.apply(weight), stride)


def nan(wave: Tensor, weight: Tensor, stride: int) -> Tensor:
    return right(wave, weight, stride) * float("nan")


@pytest.mark.parametrize("convolve", [right, coarse])
def test_rounding_is_no_fault(convolve: Any) -> None:
    assert wrong_convolution(convolve) is None


@pytest.mark.parametrize(
    ("convolve", "shape"),
    [
        (wrong_gradient, "1 -> 16 channels, kernel 10, stride 5"),
        (wrong, "16 -> 16 channels, kernel 8, stride 4"),
        (nan, "1 -> 16 channels, kernel 10, stride 5"),
    ],
)
def test_wrong_arithmetic_is_named(convolve: Any, shape: str) -> None:
    assert wrong_convolution(convolve) == shape


@pytest.mark.parametrize(
    ("device", "precision", "convolve", "stays_on"),
    [
        ("cpu", "bf16-mixed", wrong, False),
        ("cpu", "bf16-true", wrong, False),
        ("cpu", "bf16-mixed", right, True),
        ("cpu", "32-true", wrong, True),
        ("cuda", "bf16-mixed", wrong, True),
    ],
)
def test_onednn_is_switched_off_where_it_is_wrong(
    monkeypatch: pytest.MonkeyPatch, device: str, precision: str, convolve: Any, stays_on: bool
) -> None:
    monkeypatch.setattr(bfloat16.F, "conv1d", convolve)
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", True)
    said: list[str] = []
    monkeypatch.setattr(bfloat16, "rank_zero_warn", said.append)
    trainer: Any = SimpleNamespace(
        strategy=SimpleNamespace(root_device=torch.device(device, 0) if device == "cuda" else torch.device(device)),
        precision=precision,
    )
    guard_convolutions(trainer)
    assert torch.backends.mkldnn.enabled is stays_on
    assert len(said) == (0 if stays_on else 1)
    if said:
        assert "16 -> 16 channels, kernel 8, stride 4" in said[0]
