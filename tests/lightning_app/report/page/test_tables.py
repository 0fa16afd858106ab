"""Means, deviations and counts of missing runs, and the Markdown of them."""

import pandas as pd
import pytest

from lightning_app.report.page.tables import markdown_table, metrics_of, score, summary
from lightning_app.report.read.load import load, read_results

SETTING = ["system", "corpus", "label_set", "loss"]


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


def test_markdown_has_a_line_for_each_setting_and_one_for_chance(small_runs):
    lines = markdown_table(load(small_runs)).splitlines()
    table = pd.read_csv(small_runs / "results.csv")
    assert len(lines) == 2 + 4 * 3 + 1
    assert len({line.count("|") for line in lines}) == 1
    rows = table[(table["system"] == "zero-shot") & (table["prompt_length"] == 4) & (table["metric"] == "UA")]["value"]
    assert f"| zero-shot | 4 | {rows.mean():.3f} ± {rows.std():.3f} |" in lines[2]
    assert "| *chance* |" in lines[-1]
    assert "| 0.143 |" in lines[-1]
