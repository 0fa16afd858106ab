"""Learning curves of a run, also of a resumed one."""

import csv
from pathlib import Path

import pytest

from lightning_app.callbacks.progress import RunLogger


def log(folder: Path, resume: bool, *rows: dict[str, float]) -> None:
    logger = RunLogger(folder, resume)
    for row in rows:
        logger.log_metrics({key: value for key, value in row.items() if key != "step"}, int(row["step"]))
    logger.save()


def read(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_resumed_run_goes_on_below_the_earlier_rows(tmp_path: Path) -> None:
    log(tmp_path, False, {"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0})
    log(tmp_path, True, {"step": 3, "loss": 1.0})
    assert [(row["step"], row["loss"]) for row in read(tmp_path)] == [("1", "3.0"), ("2", "2.0"), ("3", "1.0")]
    content = (tmp_path / "metrics.csv").read_bytes()
    assert content.count(b"\r\n") == content.count(b"\n") == 4  # one kind of line end


def test_a_new_column_of_the_resumed_run_widens_the_table(tmp_path: Path) -> None:
    log(tmp_path, False, {"step": 1, "loss": 3.0})
    log(tmp_path, True, {"step": 2, "loss": 2.0, "UA": 0.5})
    assert [(row["loss"], row["UA"]) for row in read(tmp_path)] == [("3.0", ""), ("2.0", "0.5")]


def test_a_fresh_run_starts_a_fresh_table(tmp_path: Path) -> None:
    log(tmp_path, False, {"step": 1, "loss": 3.0})
    log(tmp_path, False, {"step": 5, "loss": 1.0})
    assert [row["step"] for row in read(tmp_path)] == ["5"]
    RunLogger(tmp_path, False)
    assert not (tmp_path / "metrics.csv").exists()


def test_resuming_where_nothing_was_logged(tmp_path: Path) -> None:
    log(tmp_path, True, {"step": 1, "loss": 3.0})
    assert len(read(tmp_path)) == 1


@pytest.mark.parametrize("resume", [False, True])
def test_another_process_leaves_the_table_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resume: bool) -> None:
    log(tmp_path, False, {"step": 1, "loss": 3.0})
    monkeypatch.setattr("lightning.pytorch.utilities.rank_zero_only.rank", 1)
    before = (tmp_path / "metrics.csv").stat()
    log(tmp_path, resume, {"step": 2, "loss": 2.0})
    after = (tmp_path / "metrics.csv").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_through_the_command_line(tiny_yaml: Path, command, tmp_path: Path) -> None:
    words = ["fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, f"--trainer.default_root_dir={tmp_path}"]
    assert command(*words, "--trainer.max_epochs=1") == 0
    first = (tmp_path / "metrics.csv").read_text()
    assert command(*words, "--trainer.max_epochs=2", f"--ckpt_path={tmp_path / 'last.ckpt'}") == 0
    assert (tmp_path / "metrics.csv").read_text().startswith(first)
    assert {row["epoch"] for row in read(tmp_path)} == {"0", "1"}
