"""Means over runs, accuracies against independent ones, chance, and the comparison with results.csv."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from lightning_app.report.read.load import load
from lightning_app.report.read.tables import read_results
from lightning_app.report.statistics.scores import accuracies, chance, check, metrics_of, score, summary

SETTING = ["system", "corpus", "label_set", "loss"]
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


def results(tmp_path, *rows):
    columns = ["system", "corpus", "label_set", "metric", "seed", "fold", "value", "n", "loss"]
    pd.DataFrame(rows, columns=columns).assign(kind="score", better="higher").to_csv(
        tmp_path / "results.csv", index=False
    )
    return read_results(tmp_path / "results.csv")


def test_mean_and_sample_deviation_over_seeds_and_folds(tmp_path):
    rows = [
        ("a", "X", "v", "UA", s, f, v, 10, "arcface")
        for s, f, v in [(1, 0, 0.2), (1, 1, 0.4), (2, 0, 0.6), (2, 1, 0.8)]
    ]
    found = summary(results(tmp_path, *rows), SETTING).iloc[0]
    assert found["mean"] == pytest.approx(0.5)
    assert found["std"] == pytest.approx(0.2581988897)  # n - 1
    assert (found["runs"], found["missing"], found["clips"]) == (4, 0, "20")


def test_a_nan_and_an_absent_run_are_counted_as_missing(tmp_path):
    full = [("a", "X", "v", "UA", s, "", 0.5, 10, "") for s in (1, 2, 3)]
    part = [("b", "X", "v", "UA", 1, "", 0.7, 10, ""), ("b", "X", "v", "UA", 2, "", None, 10, "")]
    unseeded = [("c", "X", "v", "UA", "", "", 0.3, 10, "")]
    found = summary(results(tmp_path, *full, *part, *unseeded), SETTING).set_index("system")
    assert found["missing"].to_dict() == {"a": 0, "b": 2, "c": 0}
    assert found["runs"].to_dict() == {"a": 3, "b": 1, "c": 1}


def test_axes_are_in_order_of_size_and_systems_as_they_come(tmp_path):
    rows = [(system, "X", "v", "UA", 1, 0, 0.5, 10, length) for length in (16, 4, 8.0) for system in ("z", "a")]
    found = summary(results(tmp_path, *rows), SETTING)
    assert list(zip(found["system"], found["loss"], strict=True)) == [
        ("z", "4"), ("z", "8"), ("z", "16"), ("a", "4"), ("a", "8"), ("a", "16"),
    ]  # fmt: skip


def test_clips_that_differ_between_seeds_are_a_range(tmp_path):
    rows = [("a", "X", "v", "UA", s, 0, 0.5, n, "") for s, n in ((1, 530), (2, 535))]
    assert summary(results(tmp_path, *rows), SETTING)["clips"].tolist() == ["530-535"]


def test_score_says_what_is_missing():
    nan = float("nan")
    assert score(0.6844, 0.0412) == "0.684 ± 0.041"
    assert score(0.6844, nan) == "0.684"
    assert score(nan, nan) == "missing"
    assert score(0.5, 0.1, 2) == "0.500 ± 0.100 (2 missing)"


def test_metrics_come_in_the_order_of_the_file(tmp_path):
    rows = [("a", "X", "v", metric, seed, 0, 0.5, 10, "") for seed in (1, 2) for metric in ("UA", "kappa", "WA")]
    assert metrics_of(results(tmp_path, *rows)) == ["UA", "kappa", "WA"]
