"""A stage resumes from its own checkpoint alone: what the stage before left may be gone."""

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.acpt import ACPT
from stages.checkpoint import Checkpoint


def test_the_checkpoint_of_the_stage_before_may_be_gone(
    chain, command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = chain.root / "acpt" / "last.ckpt"
    words = [
        "fit",
        "--config",
        "stages/acpt.yaml",
        f"--model.init_from={tmp_path}/gone/best.ckpt",
        f"--ckpt_path={last}",
    ]
    assert command(*words, "--trainer.max_epochs=5", f"--trainer.default_root_dir={tmp_path / 'acpt'}") == 0
    before, after = Checkpoint.open(last).content, Checkpoint.open(tmp_path / "acpt" / "best.ckpt").content
    assert (before["global_step"], after["global_step"]) == (4, 5)
    assert after["training_speakers"] == before["training_speakers"] != []
    assert after["hyper_parameters"]["clap"] == before["hyper_parameters"]["clap"]
    assert after["hyper_parameters"]["labels"] == before["hyper_parameters"]["labels"]
    assert after["hyper_parameters"]["init_from"] == f"{tmp_path}/gone/best.ckpt"


def test_a_stopped_run_goes_on_by_itself_without_it(
    chain, command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before, run = tmp_path / "before.ckpt", tmp_path / "acpt"
    shutil.copy(chain.checkpoint("clep"), before)
    words = [
        "fit", "--config", "stages/acpt.yaml", f"--model.init_from={before}", f"--trainer.default_root_dir={run}",
        "--trainer.max_epochs=3",
    ]  # fmt: skip
    inner = ACPT.training_step

    def signalled(self: ACPT, *batch: Any) -> Any:
        os.kill(os.getpid(), signal.SIGUSR1)
        return inner(self, *batch)

    with monkeypatch.context() as patched:
        patched.setattr(ACPT, "training_step", signalled)
        assert command(*words) == 143
    torch.save({**torch.load(before, weights_only=True), "more": 1}, before)
    assert command(*words) != 0
    assert f"input {before} changed" in capsys.readouterr().err
    before.unlink()
    assert command(*words) == 0
    assert f"goes on from {run}/last.ckpt" in capsys.readouterr().err
    assert Checkpoint.open(run / "best.ckpt").content["training_speakers"]
