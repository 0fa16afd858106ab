"""Steps on numbers that are not finite, and processors whose bfloat16 convolutions are wrong."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from lightning_app.callbacks import numerics
from lightning_app.callbacks.numerics import (
    FiniteStep,
    guard_convolutions,
    overflow,
    sum_of_products,
    wrong_convolution,
)
from lightning_app.errors import NonFiniteError
from losses.infonce import InfoNCE
from stages.checkpoint import Checkpoint
from stages.clap import ClapTraining


def trainer(step: int = 0, rank: int = 0) -> Any:
    return SimpleNamespace(global_step=step, global_rank=rank, current_epoch=0)


class Weights(torch.nn.Module):
    def __init__(self, gradient: float) -> None:
        super().__init__()
        self.first, self.second = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
        self.first.grad, self.second.grad = torch.zeros(3), torch.tensor([0.0, gradient, 1.0])


def step(guard: FiniteStep, loss: float, gradient: float = 0.5, others: bool = True, scaler: object = None) -> None:
    """One step of two micro-batches, the first of which has the loss."""
    run = trainer(5)
    run.precision_plugin = SimpleNamespace(scaler=scaler)
    run.strategy = SimpleNamespace(reduce_boolean_decision=lambda mine, all: mine and others)
    module: Any = Weights(gradient)
    for first, value in ((0, loss), (10, 3.0)):
        guard.on_train_batch_start(run, module, {"id": [f"clip{first + n}" for n in range(3)]}, 0)
        guard.on_before_backward(run, module, torch.tensor(value))
    guard.on_before_optimizer_step(run, module, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"loss": float("nan")}, "the loss is nan in epoch 0, step 5"),
        ({"loss": -float("inf")}, "the loss is -inf in epoch 0, step 5"),
        ({"loss": 1.0, "gradient": float("nan")}, "the gradient of second is NaN or infinite in epoch 0, step 5"),
        ({"loss": 1.0, "gradient": float("inf")}, "the gradient of second is NaN or infinite in epoch 0, step 5"),
        ({"loss": 1.0, "others": False}, "a loss or a gradient of another process is NaN or infinite in epoch 0"),
        ({"loss": float("nan"), "scaler": object()}, "the loss is nan"),
    ],
)
def test_what_is_no_number_stops_every_rank_before_the_step(how: dict[str, Any], said: str) -> None:
    guard = FiniteStep()
    step(guard, 1.0)
    with pytest.raises(NonFiniteError, match=re.escape(said)) as caught:
        step(guard, **how)
    assert "; the step's clips are clip0, clip1, clip2, clip10, clip11, clip12; lower the" in str(caught.value)


def test_a_scaler_sees_to_gradients_that_overflow() -> None:
    step(FiniteStep(), 1.0, float("inf"), scaler=object())


def test_a_learning_rate_beyond_all_numbers_is_said(
    tiny_yaml: Path, command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = command(
        "fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, "--trainer.max_epochs=2",
        "--model.optimizer.lr=1e38", f"--trainer.default_root_dir={tmp_path}",
    )  # fmt: skip
    said = capsys.readouterr().err
    assert code == 3
    assert "Traceback" not in said
    assert "lower the learning rate (model.init_args.optimizer.init_args.lr)" in said


def test_other_errors_are_left_alone() -> None:
    assert overflow(RuntimeError("shapes do not match")) is None
    assert overflow(OverflowError("value cannot be converted to type float without overflow")) is None


@pytest.mark.parametrize("step", [0, 3])
def test_the_run_ends_before_the_step_and_names_its_clips(
    tiny_yaml: Path,
    command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    step: int,
) -> None:
    batches: list[list[str]] = []
    forward, training_step = InfoNCE.forward, ClapTraining.training_step

    def noted(stage: ClapTraining, batch: Any, index: int) -> torch.Tensor:
        batches.append(batch["id"])
        return training_step(stage, batch, index)

    def broken(loss: InfoNCE, *args: Any) -> torch.Tensor:
        return forward(loss, *args) * (float("nan") if len(batches) == step + 1 else 1)

    monkeypatch.setattr(ClapTraining, "training_step", noted)
    monkeypatch.setattr(InfoNCE, "forward", broken)
    code = command(
        "fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, "--trainer.max_epochs=2",
        "--checkpoint.every_n_train_steps=1", f"--trainer.default_root_dir={tmp_path}",
    )  # fmt: skip
    assert code == 3
    assert len(batches) == step + 1
    said = capsys.readouterr().err
    assert f"the loss is nan in epoch 0, step {step}; the step's clips are {', '.join(batches[-1][:8])}" in said
    assert "model.init_args.optimizer.init_args.lr" in said
    assert not (tmp_path / "done.json").exists()
    assert not (tmp_path / "best.ckpt").exists()
    if step:
        last = Checkpoint.open(tmp_path / "last.ckpt").content
        assert last["global_step"] == step
        assert all(tensor.isfinite().all() for tensor in last["state_dict"].values())


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
    monkeypatch.setattr(numerics.F, "conv1d", convolve)
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", True)
    said: list[str] = []
    monkeypatch.setattr(numerics, "rank_zero_warn", said.append)
    trainer: Any = SimpleNamespace(
        strategy=SimpleNamespace(root_device=torch.device(device, 0) if device == "cuda" else torch.device(device)),
        precision=precision,
    )
    guard_convolutions(trainer)
    assert torch.backends.mkldnn.enabled is stays_on
    assert len(said) == (0 if stays_on else 1)
    if said:
        assert "16 -> 16 channels, kernel 8, stride 4" in said[0]
