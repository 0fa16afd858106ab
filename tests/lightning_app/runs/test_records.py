import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lightning_app.errors import ConfigError
from lightning_app.runs.fingerprint import Fingerprint
from lightning_app.runs.records import Done, read_done, write_done

MARK = Fingerprint("c" * 64, {"a.csv": "d" * 64}, {"verb": "fit"})


def _write(folder: Path) -> Done:
    folder.mkdir(exist_ok=True)
    (folder / "best.ckpt").write_bytes(b"weights")
    started = datetime.now(UTC) - timedelta(seconds=5)
    return write_done(
        folder, command=["fit"], fingerprint=MARK, started=started,
        outputs=[folder / "best.ckpt"], metrics={"dev/uar": 0.5},
    )  # fmt: skip


def test_round_trip(tmp_path: Path) -> None:
    done = _write(tmp_path / "run")
    assert read_done(tmp_path / "run") == done
    assert done.fingerprint == MARK
    assert list(done.outputs) == ["best.ckpt"]
    assert 5 <= done.seconds < 60
    assert {"python", "jsonargparse"} <= set(done.versions)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["best.ckpt", "done.json"]


def test_outputs_outside_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/m.csv").write_text("x")
    done = write_done(
        Path("runs/corpus"), command=[], fingerprint=MARK, started=datetime.now(UTC), outputs=[Path("data/m.csv")]
    )
    assert list(done.outputs) == ["../../data/m.csv"]
    assert done.damage(Path("runs/corpus")) is None


def test_not_finished(tmp_path: Path) -> None:
    assert read_done(tmp_path) is None


def test_damage(tmp_path: Path) -> None:
    done = _write(tmp_path)
    assert done.damage(tmp_path) is None
    (tmp_path / "best.ckpt").write_bytes(b"other")
    assert done.damage(tmp_path) == "output best.ckpt was changed"
    (tmp_path / "best.ckpt").unlink()
    assert done.damage(tmp_path) == "output best.ckpt is gone"


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = _write(tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        _write(tmp_path)
    assert read_done(tmp_path) == done
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", json.dumps({"fingerprint": {"config": "", "inputs": {}}})])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "done.json").write_text(content)
    with pytest.raises(ConfigError, match=r"done\.json: .*delete it to run the stage"):
        read_done(tmp_path)
