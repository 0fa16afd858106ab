"""Models side by side: means, directions, matched units, and the reference."""

import math
import shutil

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from datamodules.errors import DataError
from lightning_app.errors import ConfigError
from lightning_app.report.read.load import load
from lightning_app.report.statistics.compare import (
    comparisons,
    decimals,
)
from lightning_app.report.statistics.paired import holm, paired


@pytest.fixture
def changed(model_runs, tmp_path):
    """A copy of the runs that a test may change."""

    def copy(change):
        shutil.copytree(model_runs, tmp_path / "runs")
        change(tmp_path / "runs")
        return load(tmp_path / "runs")

    return copy


def by_name(runs, name, **options):
    return next(made for made in comparisons(runs, **options) if made.name == name)


def test_trials_are_read_with_their_setting(model_runs):
    trials = load(model_runs).trials()
    assert len(trials) == 9 * (3 * 30 + 2 * 100 + 1)
    assert set(trials["model"]) == {"untrained", "clap_sce", "emotionrankclap"}
    assert set(trials["seed"]) == {"1", "2", "3"}
    assert trials["value"].isna().sum() == 9


def test_rows_are_metrics_with_the_best_marked(model_runs):
    found = by_name(load(model_runs), "shared space")
    assert found.values == ["untrained", "clap_sce", "emotionrankclap"]
    assert found.reference == "untrained"
    rows = {row.metric: row for row in found.rows}
    assert {metric: row.arrow for metric, row in rows.items()} == {
        "MMD": "↓", "MMD2": "↓", "sliced W2": "↓", "VOC": "↑", "AOC": "↑", "median rank": "↓",
    }  # fmt: skip
    assert all(row.best == 2 for row in rows.values())
    table = pd.read_csv(model_runs / "results.csv")
    own = table[(table["metric"] == "VOC") & (table["model"] == "clap_sce")]["value"]
    assert rows["VOC"].cells[1] == f"{own.mean():.3f} ± {own.std():.3f}"
    assert rows["median rank"].cells[2] == "10.0 ± 0.0"


def test_tests_pair_the_trials_and_the_seeds(model_runs):
    found = by_name(load(model_runs), "shared space", reference="clap_sce")
    trials = [
        pd.read_csv(model_runs / "evaluation" / f"seed={seed},model={model}" / "trials.csv").query("metric == 'VOC'")
        for model in ("emotionrankclap", "clap_sce")
        for seed in (1, 2, 3)
    ]
    first, second = (pd.concat(part)["value"].to_numpy() for part in (trials[:3], trials[3:]))
    one = next(c for c in found.contrasts if (c.metric, c.value) == ("VOC", "emotionrankclap"))
    by_hand = paired(first, second)  # its interval draws the trials in another order
    assert (one.units.difference, one.units.p_wilcoxon) == pytest.approx((by_hand.difference, by_hand.p_wilcoxon))
    assert (one.units.low, one.units.high) == pytest.approx((by_hand.low, by_hand.high), abs=0.003)
    assert one.units.n == 3 * 99  # a list that could not be measured is left out
    seeds = [[np.nanmean(part) for part in values.reshape(3, 100)] for values in (first, second)]
    assert one.seeds.p_t == pytest.approx(stats.ttest_rel(*seeds).pvalue, rel=1e-6)
    assert [c.p_t for c in found.contrasts] == pytest.approx(holm([c.units.p_t for c in found.contrasts]), nan_ok=True)
    assert one.mark.startswith("*")


def test_recognition_is_paired_by_run(model_runs):
    found = by_name(load(model_runs), "zero-shot")
    table = pd.read_csv(model_runs / "results.csv").query("metric == 'UA'").pivot_table("value", "seed", "model")
    one = next(c for c in found.contrasts if (c.metric, c.value) == ("UA", "clap_sce"))
    assert one.units.p_t == pytest.approx(stats.ttest_rel(table["clap_sce"], table["untrained"]).pvalue)
    assert one.units == one.seeds


def test_one_run_of_each_model_has_its_trials_deviation(changed):
    def one_seed(folder):
        table = pd.read_csv(folder / "results.csv")
        table[table["seed"] == 1].to_csv(folder / "results.csv", index=False)

    runs = changed(one_seed)
    found = by_name(runs, "shared space")
    own = pd.read_csv(runs.folder / "evaluation" / "seed=1,model=clap_sce" / "trials.csv").query("metric == 'MMD'")
    assert found.over_trials
    assert found.rows[0].cells[1] == f"{own['value'].mean():.3f} ± {own['value'].std():.3f}"
    assert math.isnan(found.contrasts[0].seeds.p_t)


def test_without_trials_the_runs_are_paired(changed):
    runs = changed(lambda folder: [path.unlink() for path in folder.rglob("trials.csv")])
    assert {contrast.units.n for contrast in by_name(runs, "shared space").contrasts} == {3}


def test_without_words_the_systems_are_compared(small_runs, model_runs, grid_runs):
    assert load(small_runs).compared_axes == ["system"]
    assert load(model_runs).compared_axes == load(grid_runs).compared_axes == ["model"]
    found = comparisons(load(small_runs))
    assert [made.name for made in found] == ["prompt_length 4", "prompt_length 8", "prompt_length 16"]
    assert found[0].contrasts[0].units.n == 2


def test_a_reference_that_is_no_model(model_runs):
    with pytest.raises(ConfigError, match="found 'clap', expected one of untrained, clap_sce") as raised:
        comparisons(load(model_runs), "clap")
    assert raised.value.exit_code == 2


def test_broken_trials_are_named(changed):
    def no_values(folder):
        path = folder / "evaluation" / "seed=1,model=clap_sce" / "trials.csv"
        pd.read_csv(path).drop(columns="value").to_csv(path, index=False)

    with pytest.raises(DataError, match=r"clap_sce/trials\.csv: no column value"):
        changed(no_values).trials()


def test_a_metric_of_ones_own_is_marked_as_results_csv_says(changed):
    def rename(folder):
        for path in folder.rglob("*.csv"):
            table = pd.read_csv(path)
            table.assign(metric=table["metric"].replace("VOC", "a distance of mine")).replace(
                {"better": {"higher": "lower"}}
            ).to_csv(path, index=False)

    rows = {row.metric: row for row in by_name(changed(rename), "shared space").rows}
    assert (rows["a distance of mine"].arrow, rows["a distance of mine"].best) == ("↓", 0)


def test_digits():
    nan = float("nan")
    assert [decimals(pd.Series(v)) for v in ([0.5, 0.01], [0.0019], [12.0], [nan], [0.0])] == [3, 5, 1, 3, 3]
