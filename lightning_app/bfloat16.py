"""Whether this processor convolves in bfloat16 as it should."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

Convolution = Callable[..., Tensor]
# Channels in and out, kernel, stride: those of speech encoders, small and of full size, and patches.
SHAPES = ((1, 16, 10, 5), (16, 16, 8, 4), (16, 16, 4, 4), (32, 32, 8, 4), (128, 128, 3, 2))
SAMPLES = 599
# bfloat16 keeps 8 bits. An error of more than four units in the last of them, of the largest value, is no rounding.
ROUNDING = 4 * 2.0**-8


def guard_convolutions(trainer: Trainer) -> None:
    """Switch oneDNN off, with a line that says why, where a run in bfloat16 on this CPU would compute wrong numbers."""
    if trainer.strategy.root_device.type != "cpu" or "bf16" not in str(trainer.precision):
        return
    if wrong := wrong_convolution(F.conv1d):
        torch.backends.mkldnn.enabled = False  # type: ignore[assignment]  # a property
        rank_zero_warn(
            f"bfloat16 on this CPU: a convolution through oneDNN ({wrong}) is off by more than rounding; oneDNN is "
            "switched off for this run, which makes it slower and right (or take --trainer.precision 32-true)"
        )


def wrong_convolution(convolve: Convolution) -> str | None:
    """Compare a few one-dimensional convolutions in bfloat16 with float32, and name the first that is wrong.

    With torch 2.11 and 2.12, processors with AMX get values that differ by as much as the values themselves for some
    shapes; 16 channels, kernel 8, stride 4 are one of them.

    Values and both gradients are compared.

    Args:
        convolve: `torch.nn.functional.conv1d`, or what stands in for it: called with input [N, C, T], weight and the
            keyword ``stride``, of which it returns the convolution in the type of its input.
    """
    draw = torch.Generator().manual_seed(0)
    for channels, filters, kernel, stride in SHAPES:
        wave_NCT = torch.randn(2, channels, SAMPLES, generator=draw).bfloat16()
        weight = (torch.randn(filters, channels, kernel, generator=draw) / (channels * kernel) ** 0.5).bfloat16()
        found = _values_and_gradients(convolve, wave_NCT, weight, stride)
        expected = _values_and_gradients(sum_of_products, wave_NCT.float(), weight.float(), stride)
        if not all((a - b).abs().max() <= ROUNDING * b.abs().max() for a, b in zip(found, expected, strict=True)):
            return f"{channels} -> {filters} channels, kernel {kernel}, stride {stride}"
    return None


def sum_of_products(wave_NCT: Tensor, weight: Tensor, stride: int) -> Tensor:
    """A convolution by its definition, [N, filters, L], which no library has in hand."""
    return torch.einsum("nclk,fck->nfl", wave_NCT.unfold(2, weight.shape[2], stride), weight)


def _values_and_gradients(convolve: Convolution, wave_NCT: Tensor, weight: Tensor, stride: int) -> list[Tensor]:
    wave_NCT, weight = wave_NCT.clone().requires_grad_(), weight.clone().requires_grad_()
    with torch.enable_grad():
        values = convolve(wave_NCT, weight, stride=stride)
    weights = torch.arange(values.numel(), dtype=torch.float32).reshape(values.shape).sin().to(values.dtype)
    gradients = torch.autograd.grad(values, (wave_NCT, weight), weights)
    return [each.detach().float() for each in (values, *gradients)]
