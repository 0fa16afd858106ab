"""What a run takes from a checkpoint, and what it does not; `test_stopping` interrupts runs."""

from pathlib import Path

import pytest
import torch

from stages.checkpoint import Checkpoint


def test_resuming_from_another_stage_is_refused_by_name(chain, command, capsys: pytest.CaptureFixture[str]) -> None:
    code = command(
        "fit", "--config", "stages/acpt.yaml", f"--model.init_from={chain.checkpoint('clep')}",
        f"--ckpt_path={chain.checkpoint('clep')}", f"--trainer.default_root_dir={chain.root / 'refused'}",
    )  # fmt: skip
    said = capsys.readouterr().err
    assert code == 4
    assert "is a checkpoint of stages.clap.ClapTraining, and this stage is stages.acpt.ACPT" in said
    assert "--model.init_args.init_from=" in said


def test_a_flag_beats_what_the_checkpoint_stores(
    chain, tiny_yaml: Path, command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = chain.root / "clep" / "last.ckpt"
    code = command(
        "fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, f"--ckpt_path={last}",
        "--trainer.max_epochs", 3, "--model.template", "the speaker sounds {emotion}",
        f"--trainer.default_root_dir={tmp_path}",
    )  # fmt: skip
    assert code == 0
    assert "model.template: the speaker sounds {emotion} (the checkpoint was made with" in capsys.readouterr().err
    assert "the speaker sounds" in (tmp_path / "config.yaml").read_text()


def test_init_from_takes_weights_and_nothing_else(chain, tiny_yaml: Path, command, tmp_path: Path) -> None:
    code = command(
        "fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, "--trainer.max_epochs", 1,
        f"--model.init_from={chain.checkpoint('clep')}", "--model.optimizer.lr", 0.0,
        f"--trainer.default_root_dir={tmp_path}",
    )  # fmt: skip
    assert code == 0
    before, after = (Checkpoint.open(p).content for p in (chain.checkpoint("clep"), tmp_path / "best.ckpt"))
    assert (before["global_step"], after["global_step"]) == (8, 4)
    trained = [
        name
        for name in before["state_dict"]
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    ]
    for name in trained:
        assert torch.equal(before["state_dict"][name], after["state_dict"][name]), name
