"""Texts that a spreadsheet would calculate: never as they are, and back again unharmed."""

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.captions.caption_file import CaptionFile
from datamodules.clips.data import ClipData
from datamodules.manifest.spreadsheet import escaped, escaped_table, unescaped, unescaped_table
from lightning_app.callbacks.clip_lists import WriteCaptions
from lightning_app.report.read.tables import read_results
from lightning_app.runs.results import collect_results

FORMULAS = ["=cmd|calc!A0", "+1+1", "-2+3", "@SUM(1)", "\t=1", "'=1"]
HARMLESS = ["-0.5", "+1", "1e-3", "anger", "a=b", "", "'tis", 3, -2.5, None]


@pytest.mark.parametrize("cell", FORMULAS)
def test_formulas_become_texts(cell: str) -> None:
    assert escaped(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", HARMLESS)
def test_numbers_and_words_stay(cell: object) -> None:
    assert escaped(cell) == cell
    assert unescaped(cell) == cell


@given(st.text(st.sampled_from("'=+-@\t\r1a"), max_size=5))
def test_what_is_escaped_comes_back(text: str) -> None:
    assert unescaped(escaped(text)) == text


def test_tables_keep_their_numbers_and_what_is_missing() -> None:
    table = pd.DataFrame({"corpus": ["=1+1", "x", None], "value": [-1.5, 2.0, None], "n": [1, 2, 3]})
    changed = escaped_table(table)
    assert changed["corpus"].tolist()[:2] == ["'=1+1", "x"]
    assert changed["corpus"].isna().tolist() == [False, False, True]
    pd.testing.assert_frame_equal(changed[["value", "n"]], table[["value", "n"]])
    assert unescaped_table(changed)["corpus"].tolist()[:2] == ["=1+1", "x"]


def test_captions_and_results_are_read_as_they_were_meant(tmp_path: Path) -> None:
    rows = pd.DataFrame({"id": ["=a", "b"], "caption": ["@home she is angry", "A sad voice"]})
    escaped_table(rows).to_csv(tmp_path / "captions.csv", index=False)
    assert "'@home" in (tmp_path / "captions.csv").read_text()
    assert CaptionFile(tmp_path / "captions.csv").write(rows, rows) == rows["caption"].tolist()
    results = pd.DataFrame(
        {"system": ["zero-shot"], "corpus": ["=cmd"], "label_set": ["six"], "kind": ["score"], "metric": ["UA"]}
        | {"better": ["higher"]}
        | {"seed": [1], "fold": [0], "value": [0.5], "n": [10]}
    )
    escaped_table(results).to_csv(tmp_path / "results.csv", index=False)
    assert "'=cmd" in (tmp_path / "results.csv").read_text()
    assert read_results(tmp_path / "results.csv")["corpus"].tolist() == ["=cmd"]


def test_a_chain_escapes_its_axes_and_leaves_what_its_stages_escaped(tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text(
        "system,corpus,label_set,kind,metric,better,value,n\nzero-shot,'=cmd,six,score,UA,higher,-0.5,10\n"
    )
    cells = {tmp_path: {"seed": "-1", "note": "=1+1"}}
    assert collect_results(cells, tmp_path / "all.csv") == 1
    assert (tmp_path / "all.csv").read_text().splitlines()[1] == "zero-shot,'=cmd,six,score,UA,higher,-1,,-0.5,10,'=1+1"


def test_a_run_folder_has_its_captions_escaped(corpus: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(corpus)
    rows = rows.assign(path=[str(corpus.parent / path) for path in rows["path"]], id="=" + rows["id"])
    rows.to_csv(tmp_path / "m.csv", index=False)
    data = ClipData(tmp_path / "m.csv", "iemocap4")
    trainer = SimpleNamespace(datamodule=data, is_global_zero=True, default_root_dir=tmp_path)
    WriteCaptions().on_fit_start(trainer, None)  # type: ignore[arg-type]
    assert (tmp_path / "captions.csv").read_text().splitlines()[1].startswith("'=ann_anger_0,")
    rows = data.table.labelled
    assert CaptionFile(tmp_path / "captions.csv").write(rows, rows) == data.written["caption"].tolist()
