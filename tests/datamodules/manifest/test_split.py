import pandas as pd
import pytest

from datamodules.errors import DataError
from datamodules.labels import LABEL_SETS
from datamodules.manifest.split import assign_fold, require_classes, select_labeled, select_split

ROWS = pd.DataFrame({"emotion": ["excitement", "anger", "boredom", "", "sadness"]}, index=[2, 3, 4, 5, 9])


def rows_of(speakers, **columns):
    return pd.DataFrame({"id": [f"c{n}" for n in range(len(speakers))], "speaker": speakers, **columns})


def test_select_split_names_what_there_is():
    rows = rows_of(["a", "b", "c"], split=["train", "train", ""])
    assert list(select_split(rows, "train")["id"]) == ["c0", "c1"]
    with pytest.raises(DataError, match=r"no row is 'test' \(found: empty 1, train 2\)"):
        select_split(rows, "test")
    with pytest.raises(DataError, match="no such column"):
        select_split(rows.drop(columns="split"), "test")


def test_assign_fold_partitions_the_rows():
    rows = rows_of(list("abcdef"), fold_speaker=[0.0, 1.0, 2.0, 0.0, 2.0, None])
    split = assign_fold(rows, "speaker", 2, "next")["split"]
    assert list(split) == ["dev", "train", "test", "dev", "test", ""]
    assert list(assign_fold(rows, "speaker", 0)["split"]) == ["test", "train", "train", "test", "train", ""]
    assert "split" not in rows


@pytest.mark.parametrize(
    ("protocol", "fold", "dev", "words"),
    [
        ("session", 0, None, "fold columns in this manifest: fold_speaker, fold_one"),
        ("speaker", 2, None, "found no fold 2, expected one of 0, 1"),
        ("speaker", -1, None, "found no fold -1"),
        ("speaker", 0, "next", r"nothing remains for training; leave out the dev fold"),
        ("one", 0, None, "nothing remains for training; choose another protocol"),
    ],
)
def test_assign_fold_refuses(protocol, fold, dev, words):
    rows = rows_of(list("abc"), fold_speaker=[0.0, 1.0, 1.0], fold_one=[0.0, 0.0, 0.0])
    with pytest.raises(DataError, match=words):
        assign_fold(rows, protocol, fold, dev)


def test_labels_merge_and_targets_follow_the_logits():
    chosen = select_labeled(ROWS, LABEL_SETS["iemocap4"])
    assert list(chosen.index) == [2, 3, 9]
    assert list(chosen["label"]) == ["happiness", "anger", "sadness"]
    assert list(chosen["target"]) == [1, 0, 3]
    assert chosen["target"].dtype == "int64"


def test_an_empty_label_set_says_what_there_is():
    with pytest.raises(DataError, match=r"no row belongs to the label set 'six' .*found: boredom, empty"):
        select_labeled(ROWS.loc[[4, 5]], LABEL_SETS["six"])
    with pytest.raises(DataError, match="found: empty"):
        select_labeled(ROWS.drop(columns="emotion"), LABEL_SETS["six"])


def test_a_class_without_rows_is_named():
    chosen = select_labeled(ROWS, LABEL_SETS["iemocap4"])
    with pytest.raises(DataError, match=r"no training row is neutral.*\[anger, happiness, sadness\]"):
        require_classes(chosen, LABEL_SETS["iemocap4"], "training")
    full = pd.DataFrame({"emotion": ["anger", "happiness", "neutral", "sadness"]})
    require_classes(select_labeled(full, LABEL_SETS["iemocap4"]), LABEL_SETS["iemocap4"], "training")
