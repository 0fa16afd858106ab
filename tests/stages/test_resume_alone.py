"""A stage resumes from its own checkpoint alone: what the stage before left may be gone."""

from pathlib import Path

import pytest

from stages.handoff import read_checkpoint


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
    before, after = read_checkpoint(last), read_checkpoint(tmp_path / "acpt" / "best.ckpt")
    assert (before["global_step"], after["global_step"]) == (4, 5)
    assert after["trained_on"] == before["trained_on"] != []
    assert after["hyper_parameters"]["clap"] == before["hyper_parameters"]["clap"]
    assert after["hyper_parameters"]["labels"] == before["hyper_parameters"]["labels"]
    assert after["hyper_parameters"]["init_from"] == f"{tmp_path}/gone/best.ckpt"
