import pandas as pd
import pytest

from datamodules.errors import DataError
from datamodules.labels import LABEL_SETS
from datamodules.manifest.selection import require_classes, select_labeled

ROWS = pd.DataFrame({"emotion": ["excitement", "anger", "boredom", "", "sadness"]}, index=[2, 3, 4, 5, 9])


def test_labels_merge_and_targets_follow_the_logits():
    chosen = select_labeled(ROWS, LABEL_SETS["iemocap4"])
    assert list(chosen.index) == [2, 3, 9]
    assert list(chosen["label"]) == ["happiness", "anger", "sadness"]
    assert list(chosen["target"]) == [1, 0, 3]
    assert chosen["target"].dtype == "int64"


def test_an_empty_view_says_what_there_is():
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
