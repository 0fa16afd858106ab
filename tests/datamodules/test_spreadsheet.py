"""Texts that a spreadsheet would calculate: never as they are, and back again unharmed."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.captions.table import Table
from datamodules.spreadsheet import escaped, escaped_table, unescaped, unescaped_table
from lightning_app.report.load import read_results

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
    assert Table(tmp_path / "captions.csv").write(rows, rows) == rows["caption"].tolist()
    results = pd.DataFrame(
        {"system": ["zero-shot"], "corpus": ["=cmd"], "view": ["six"], "metric": ["UA"]}
        | {"seed": [1], "fold": [0], "value": [0.5], "n": [10]}
    )
    escaped_table(results).to_csv(tmp_path / "results.csv", index=False)
    assert "'=cmd" in (tmp_path / "results.csv").read_text()
    assert read_results(tmp_path / "results.csv")["corpus"].tolist() == ["=cmd"]
