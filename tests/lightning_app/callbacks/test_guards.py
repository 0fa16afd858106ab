import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2Config, Wav2Vec2Model

from lightning_app.callbacks.guards import FiniteStep, StepSeed, overflow
from lightning_app.errors import NonFiniteError
from losses.infonce import InfoNCE
from models.audio import SpeechTower
from stages.checkpoint import Checkpoint
from stages.clap import ClapTraining


def trainer(step: int = 0, rank: int = 0) -> Any:
    return SimpleNamespace(global_step=step, global_rank=rank, current_epoch=0)


def drawn(seed: int, step: int, rank: int, batch: int) -> tuple[float, float]:
    StepSeed(seed).on_train_batch_start(trainer(step, rank), None, None, batch)
    return float(torch.rand(1, dtype=torch.float64)), float(np.random.random())


def test_draws_of_a_step_are_its_own_and_repeat() -> None:
    # Batches that are accumulated into one step have that step's number.
    keys = [
        (seed, step, rank, batch)
        for seed in (0, 1, 2)
        for step in (*range(20), 10**6)
        for rank in range(4)
        for batch in (0, 1, 2, 5000)
    ]
    draws = {key: drawn(*key) for key in keys}
    for values in zip(*draws.values(), strict=True):
        assert len(set(values)) == len(keys)
    torch.rand(7)
    np.random.random(7)
    for key in reversed(keys):
        assert drawn(*key) == draws[key]


def test_stripes_of_a_speech_tower_are_those_of_the_step() -> None:
    torch.manual_seed(0)
    sizes = {"conv_dim": (8, 8), "conv_stride": (5, 4), "conv_kernel": (10, 8), "num_feat_extract_layers": 2}
    config = Wav2Vec2Config(
        **sizes, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, mask_time_prob=0.3, mask_time_length=4,
    )  # fmt: skip
    tower, wave = SpeechTower(Wav2Vec2Model(config)), torch.randn(2, 4000)

    def heard(step: int) -> torch.Tensor:
        StepSeed(1).on_train_batch_start(trainer(step), None, None, 0)
        return tower(wave, torch.tensor([4000, 3000]))[0]

    first, other = heard(5), heard(6)
    assert torch.equal(heard(5), first)
    assert not torch.equal(other, first)


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
