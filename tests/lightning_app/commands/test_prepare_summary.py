import pandas as pd
import pytest

from datamodules.corpora import find_corpus
from lightning_app.commands.prepare_summary import summarize


def clips(train: int, without: int = 0, other: int = 0, test: int = 0) -> pd.DataFrame:
    """A manifest of so many training clips, of which some have no emotion or another one, and test clips."""
    emotions = [""] * without + ["other"] * other + ["anger"] * (train - without - other + test)
    return pd.DataFrame({"emotion": emotions, "duration": 1.0, "sample_rate": 16000.0}).assign(
        split=["train"] * train + ["test"] * test
    )


@pytest.mark.parametrize(
    ("rows", "release"),
    [
        (clips(55283), "1.9"),
        (clips(55283, without=9664, test=20), "1.9"),
        (clips(45619 + 5, without=5, other=30, test=20), "1.9"),
        (clips(90022 + 7, without=3, other=4, test=20), "1.12"),
    ],
)
def test_the_release_is_told_by_its_counts(rows: pd.DataFrame, release: str) -> None:
    assert any(
        line.startswith(f"  release: {release}, which has ") for line in summarize(rows, find_corpus("msp_podcast"))
    )


def test_an_unknown_release_is_said_with_its_counts() -> None:
    said = "\n".join(summarize(clips(30, test=12), find_corpus("msp_podcast")))
    assert "release: none that is known by its number of clips: 1.9 (55283)" in said
    assert "here 42, of which 30 to train on" in said


def test_folds_are_shown_with_their_emotions_and_what_they_lack() -> None:
    rows = clips(8, other=3).assign(
        fold_speaker=[0.0, 0, 0, 1, 1, 1, 2, float("nan")], fold_random10=[0.0, 1, 2, 3, 4, 5, 6, 7]
    )
    said = summarize(rows, None)
    table = said[said.index("  folds: fold_speaker (3), fold_random10 (8)") + 1 :]
    assert [line.split() for line in table[:4]] == [
        ["fold_speaker", "clips", "anger", "other"],
        ["0", "3", "0", "3"],
        ["1", "3", "3", "0"],
        ["2", "1", "1", "0"],
    ]
    assert table[4].strip().startswith("no anger in fold 0; no other in fold 1, 2: scores of such a fold are of the")
    assert not any("fold_random10" in line for line in table)
