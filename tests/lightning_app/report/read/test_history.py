"""Records of stages, whatever their done.json holds."""

import pytest

from datamodules.errors import DataError
from lightning_app.report.read.folders import ResultRun
from lightning_app.report.read.history import curves, duration, stage_records
from lightning_app.report.read.load import load


def test_record_of_a_stage(small_runs):
    record = stage_records(load(small_runs).stages)[1]
    assert (record.name, len(record.cells), record.unfinished) == ("acpt", 6, 0)
    assert record.duration == "9 min 21 s"
    assert ("torch", "2.12.0") in record.versions
    assert record.config.startswith("# acpt")
    cell = record.cells[0]
    assert cell.command == "lightning-cli fit --config stages/acpt.yaml --seed_everything 1"
    assert cell.input_hashes == [("clep/best.ckpt", "ab" * 32)]
    assert cell.metrics == [("val/ua", "0.6100")]
    assert cell.finished == "2026-03-01 11:00:00"


def test_unfinished_and_sparse_records(tmp_path):
    sparse = {"command": "lightning-cli fit", "fingerprint": {"config": "00ff", "inputs": ["aa", "bb"]}}
    record = stage_records([ResultRun("clep", "", tmp_path), ResultRun("clep", "seed=1", tmp_path, sparse)])[0]
    assert (record.unfinished, record.duration) == (1, "unknown")
    assert record.cells[0].finished == ""
    assert record.cells[1].input_hashes == [("", "aa"), ("", "bb")]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.42, "0.4 s"), (42.4, "42 s"), (252, "4 min 12 s"), (7512, "2 h 05 min"), (59.7, "1 min 00 s")],
)
def test_duration(seconds, said):
    assert duration(seconds) == said


def test_curves_by_stage_and_a_broken_one_is_named(small_runs):
    found = curves(load(small_runs).stages)
    assert {stage: len(tables) for stage, tables in found.items()} == {"clep": 2, "acpt": 6}
    path = next((small_runs / "clep").rglob("metrics.csv"))
    path.write_text('epoch,"step\n1,2\n')
    with pytest.raises(DataError, match=r"metrics\.csv"):
        curves(load(small_runs).stages)
