"""A chain of the lab's own stages: planned in any case, run by `make test-all`."""

from pathlib import Path

import pandas as pd
import pytest

from lightning_app.cli import main


def test_it_is_planned(lab, mylab: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(lab.folder)
    assert main(["chain", f"--config={mylab / 'chain.yaml'}", "--dry-run"]) == 0
    assert "7 to run" in capsys.readouterr().out


@pytest.mark.slow
def test_it_runs(lab, mylab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data/mylab").mkdir(parents=True)
    Path("data/mylab/recordings").symlink_to(lab.recordings)
    settings = [
        f"clep.model.clap.text={lab.text}", "clep.model.clap.dim=16", "clep.model.groups=[]",
        "clep.data.loading.batch_size=12", "*.trainer.max_epochs=1", "*.trainer.accelerator=cpu",
    ]  # fmt: skip
    assert main(["chain", f"--config={mylab / 'chain.yaml'}", *(f"--set={setting}" for setting in settings)]) == 0
    results = pd.read_csv("runs/mylab/results.csv")
    assert {"few-shot probe", "text-trained classifier", "shared space"} <= set(results["system"])
