"""Accuracies against independent ones, chance, confusions, and the comparison with results.csv."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix

from lightning_app.report.read.load import load
from lightning_app.report.statistics.scores import accuracies, chance, check, confusion

LABELS = ["anger", "fear", "neutral", "sadness"]


@pytest.fixture
def predictions():
    draw = np.random.default_rng(0)
    return pd.DataFrame({"truth": draw.choice(LABELS[:3], 90, p=[0.7, 0.2, 0.1]), "label": draw.choice(LABELS, 90)})


@pytest.mark.filterwarnings("ignore:y_pred contains classes")
def test_accuracies_equal_the_reference_though_a_class_is_absent(predictions):
    found = accuracies(predictions)
    assert found["WA"] == pytest.approx(accuracy_score(predictions["truth"], predictions["label"]), abs=1e-12)
    assert found["UA"] == pytest.approx(balanced_accuracy_score(predictions["truth"], predictions["label"]), abs=1e-12)


def test_confusion_equals_the_reference_and_shows_answers_outside_the_classes(predictions):
    counts = confusion(predictions, LABELS)
    expected = confusion_matrix(predictions["truth"], predictions["label"], labels=LABELS)
    np.testing.assert_array_equal(counts, expected)
    predictions.loc[0, "label"] = ""
    assert confusion(predictions, LABELS)["no label"].sum() == 1
    assert confusion(predictions, LABELS).to_numpy().sum() == len(predictions)


def test_chance_counts_the_classes_of_the_view_and_the_commonest_class_of_the_clips(predictions):
    share = (predictions["truth"] == "anger").mean()
    assert chance(LABELS, predictions) == {"UA": 0.25, "WA": pytest.approx(share)}
    assert chance(LABELS[:3], predictions)["UA"] == pytest.approx(1 / 3)
    assert np.isnan(chance([], predictions)["UA"])


def test_results_of_the_same_predictions_agree(small_runs):
    runs = load(small_runs)
    found = check(runs)
    assert (found.agree, found.differ, found.unchecked) == (2 * 4 * 3 * 2, [], 0)


@pytest.mark.parametrize(("change", "noticed"), [(2e-6, 1), (5e-7, 0), (float("nan"), 1)])
def test_a_changed_value_is_noticed_beyond_the_tolerance(small_runs, change, noticed):
    table = pd.read_csv(small_runs / "results.csv")
    place = table.index[table["metric"] == "UA"][3]
    table.loc[place, "value"] += change
    table.to_csv(small_runs / "results.csv", index=False)
    found = check(load(small_runs))
    assert len(found.differ) == noticed
    assert all(table.loc[place, "system"] in line for line in found.differ)


def test_results_that_share_their_predictions_are_not_compared(small_runs):
    table = pd.read_csv(small_runs / "results.csv").rename(columns={"prompt_length": "length_of_prompt"})
    table.to_csv(small_runs / "results.csv", index=False)
    found = check(load(small_runs))
    assert (found.agree, found.differ, found.unchecked) == (0, [], 48)
