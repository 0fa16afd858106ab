"""Commands that only look at a run leave its files as they are."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "run.lock"}


@pytest.fixture
def finished(chain: Any, tmp_path: Path) -> Path:
    """A finished run of clep, which left out a recording."""
    shutil.copytree(chain.root / "clep", tmp_path / "run")
    (tmp_path / "run/skipped.csv").write_text("recording\nof the run\n")
    return tmp_path / "run"


def test_validate_counts_what_it_skips_and_lists_it_nowhere(
    finished: Path, tiny_yaml: Path, corpus: Path, command: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(corpus.parent, tmp_path / "corpus")
    rows = pd.read_csv(corpus)
    broken = rows["path"][rows["split"] == "dev"].iloc[0]
    (tmp_path / "corpus" / broken).write_bytes(b"RIFF and no more")
    before = contents(finished)
    code = command(
        "validate", "--config", "stages/clep.yaml", "--config", tiny_yaml, f"--ckpt_path={finished}/best.ckpt",
        f"--data.manifest={tmp_path}/corpus/manifest.csv", "--data.audio.on_bad_audio=skip",
        f"--trainer.default_root_dir={finished}",
    )  # fmt: skip
    assert code == 5
    said = capsys.readouterr().err
    assert "1 recordings were skipped; the first: " in said
    assert broken in said
    assert contents(finished) == before


def test_trying_a_batch_leaves_the_folder_alone(
    finished: Path, chain: Any, tiny_yaml: Path, corpus: Path, command: Any
) -> None:
    tries = ["--trainer.fast_dev_run=true", f"--trainer.default_root_dir={finished}"]
    before = contents(finished)
    assert command("fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, *tries) == 0
    assert contents(finished) == before
    given = ["--config", "stages/evaluation.yaml", f"--model.init_from={chain.checkpoint('clep')}"]
    data = [
        "--data.audio.seconds=1.2",
        "--data.loading.num_workers=0",
        "--data.split.disjoint=[]",
        f"--data.manifest={corpus}",
    ]
    assert command("test", *given, *data, *tries) == 0
    assert contents(finished) == before
