"""A corpus reader from outside: `prepare` finds it, and every later command reads what it made."""

import pandas as pd

from lightning_app.cli import main


def test_prepare_writes_a_manifest_of_a_corpus_that_it_does_not_know(lab) -> None:
    rows = pd.read_csv(lab.manifest)
    assert len(rows) == 72
    assert set(rows["corpus"]) == {"mylab"}
    assert set(rows["room"]) == {"studio", "office"}
    assert {"duration", "sha256", "fold_speaker"} <= set(rows)


def test_prepare_says_how_to_find_it(lab, capsys) -> None:
    assert main(["prepare", "mylab.corpus_of_tomorrow", str(lab.recordings), "--out", str(lab.folder / "no.csv")]) == 2
    assert "--plugins DIR says where it is" in capsys.readouterr().err
