"""The long table of predictions: written, read, and turned into answers."""

import numpy as np
import pandas as pd
import pytest

from datamodules.errors import DataError
from lightning_app.runs.predictions import (
    COLUMNS,
    answers,
    joined,
    rating_rows,
    read_predictions,
    score_rows,
    text_rows,
)

SCORES = np.float32([[0.1, 0.3, 0.3], [0.7, 0.1, -0.2]])


@pytest.fixture
def clips():
    told = {"id": ["b", "a"], "corpus": "X", "speaker": ["s", ""], "truth": ["fear", None]}
    return pd.DataFrame(told | {"label_set": "mine", "seed": 3, "fold": None})


def test_every_kind_comes_back_as_it_was_written(clips, tmp_path):
    ratings, rated = np.float32([[1.5, 6.25], [2, 3]]), np.float32([[np.nan, 6], [2, np.nan]])
    table = joined(
        [
            score_rows(clips, "zero-shot", ["anger", "fear", "sadness"], SCORES),
            rating_rows(clips, "ser", ["valence", "arousal"], ratings, rated),
            text_rows(clips, "answers", ["Somebody shouts.", "A calm voice."]),
        ]
    )
    table.to_parquet(tmp_path / "predictions.parquet", index=False)
    read = read_predictions(tmp_path / "predictions.parquet")
    pd.testing.assert_frame_equal(read, table)
    assert tuple(read.columns) == COLUMNS
    assert read[["system", "id", "label"]].to_numpy().tolist() == [
        ["answers", "a", ""],
        ["answers", "b", ""],
        ["ser", "a", "valence"],
        ["ser", "a", "arousal"],
        ["ser", "b", "valence"],
        ["ser", "b", "arousal"],
        *[["zero-shot", name, label] for name in "ab" for label in ("anger", "fear", "sadness")],
    ]
    by_kind = dict(iter(read.groupby("kind", observed=True)))
    np.testing.assert_array_equal(by_kind["score"]["value"], SCORES[::-1].ravel())
    np.testing.assert_array_equal(by_kind["rating"]["value"], ratings[::-1].ravel())
    np.testing.assert_array_equal(by_kind["rating"]["true_value"], rated[::-1].ravel())
    assert by_kind["text"]["text"].tolist() == ["A calm voice.", "Somebody shouts."]
    assert by_kind["score"]["truth"].isna().tolist() == [True] * 3 + [False] * 3


def test_an_answer_is_the_class_with_the_largest_value_and_of_equal_ones_the_first(clips):
    table = joined([score_rows(clips, name, ["anger", "fear", "sadness"], SCORES) for name in ("one", "two")])
    found = answers(table)
    assert found[["system", "id", "label"]].to_numpy().tolist() == [
        ["one", "a", "anger"],
        ["one", "b", "fear"],
        ["two", "a", "anger"],
        ["two", "b", "fear"],
    ]
    ratings = rating_rows(clips, "ser", ["valence"], SCORES[:, :1], SCORES[:, :1])
    assert answers(joined([ratings])).empty


def test_a_file_that_is_none_is_named(clips, tmp_path):
    path = tmp_path / "predictions.parquet"
    joined([score_rows(clips, "one", ["anger", "fear", "sadness"], SCORES)]).drop(columns="kind").to_parquet(path)
    with pytest.raises(DataError, match=r"predictions\.parquet: no column kind; expected id, corpus"):
        read_predictions(path)
    path.write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"predictions\.parquet: .*delete the folder"):
        read_predictions(path)
