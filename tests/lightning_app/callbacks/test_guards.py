from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lightning_app.callbacks.guards import FiniteLoss, NonFiniteLossError, StepSeed
from losses.infonce import InfoNCE
from stages.clap import ContrastiveTraining
from stages.handoff import read_checkpoint


def trainer(step: int = 0, rank: int = 0) -> Any:
    return SimpleNamespace(global_step=step, global_rank=rank, current_epoch=0)


def drawn(seed: int, step: int, rank: int) -> float:
    StepSeed(seed).on_train_batch_start(trainer(step, rank), None, None, 0)
    return float(torch.rand(1, dtype=torch.float64))


def test_draws_of_a_step_are_its_own_and_repeat() -> None:
    keys = [(seed, step, rank) for seed in (0, 1, 2) for step in range(40) for rank in range(4)]
    draws = {key: drawn(*key) for key in keys}
    assert len(set(draws.values())) == len(keys)
    torch.rand(7)
    for key in reversed(keys):
        assert drawn(*key) == draws[key]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_no_number_stops(value: float) -> None:
    guard = FiniteLoss()
    guard.on_train_batch_start(trainer(5), None, {"id": [f"clip{n}" for n in range(20)]}, 0)
    guard.on_before_backward(trainer(5), None, torch.tensor(3.0))
    with pytest.raises(
        NonFiniteLossError, match=rf"the loss is {value:g} in epoch 0, step 5; the batch holds clip0, .*clip7, "
    ):
        guard.on_before_backward(trainer(5), None, torch.tensor(value))


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
    forward, training_step = InfoNCE.forward, ContrastiveTraining.training_step

    def noted(stage: ContrastiveTraining, batch: Any, index: int) -> torch.Tensor:
        batches.append(batch["id"])
        return training_step(stage, batch, index)

    def broken(loss: InfoNCE, *args: Any) -> torch.Tensor:
        return forward(loss, *args) * (float("nan") if len(batches) == step + 1 else 1)

    monkeypatch.setattr(ContrastiveTraining, "training_step", noted)
    monkeypatch.setattr(InfoNCE, "forward", broken)
    code = command(
        "fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, "--trainer.max_epochs=2",
        "--checkpoint.every_n_train_steps=1", f"--trainer.default_root_dir={tmp_path}",
    )  # fmt: skip
    assert code == 3
    assert len(batches) == step + 1
    said = capsys.readouterr().err
    assert f"the loss is nan in epoch 0, step {step}; the batch holds {', '.join(batches[-1][:8])}" in said
    assert "model.init_args.optimizer.init_args.lr" in said
    assert not (tmp_path / "done.json").exists()
    assert not (tmp_path / "best.ckpt").exists()
    if step:
        last = read_checkpoint(tmp_path / "last.ckpt")
        assert last["global_step"] == step
        assert all(tensor.isfinite().all() for tensor in last["state_dict"].values())
