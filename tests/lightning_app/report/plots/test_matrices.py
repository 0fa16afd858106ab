"""Heat maps over two numeric axes, confusions against independent ones, and those of two models."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix

from lightning_app.report.plots.matrices import confusion_pair_plot, heat_plot
from lightning_app.report.read.load import load
from lightning_app.report.statistics.axes import grids
from lightning_app.report.statistics.confusion import confusion, confusion_pairs
from lightning_app.report.statistics.settings import settings_by_data

LABELS = ["anger", "fear", "neutral", "sadness"]


def words(svg):
    return re.findall(r"<text[^>]*>([^<]+)</text>", svg)


def test_grid_of_two_numeric_axes(grid_runs):
    (grid,) = grids(load(grid_runs))
    assert (grid.down, grid.across, grid.metric, grid.left_out) == ("gamma", "beta", "UA", 0)
    assert [title.split(" · ")[-1] for title, _ in grid.panels] == ["paraclap", "smoothclap"]
    table = pd.read_csv(grid_runs / "results.csv").query("metric == 'UA' and model == 'smoothclap'")
    values = grid.panels[1][1]
    assert values.loc["0.5", "0.3"] == pytest.approx(table.query("gamma == 0.5 and beta == 0.3")["value"].mean())
    said = words(heat_plot(grid, "h"))
    assert {"gamma", "beta", "0.5"} <= set(said)
    assert f"{values.to_numpy().max():.3f}".lstrip("0") in said


def test_one_numeric_axis_or_none_makes_no_grid(small_runs, model_runs):
    assert list(grids(load(small_runs))) == []
    assert list(grids(load(model_runs))) == []


def test_the_reference_against_the_best_of_the_others(model_runs):
    runs = load(model_runs)
    (pair,) = confusion_pairs(runs, settings_by_data(runs), "clap_sce")
    assert pair.names == ("zero-shot · model clap_sce", "zero-shot · model emotionrankclap")
    rows = runs.predictions[runs.predictions["model"] == "emotionrankclap"]
    labels = list(pair.shares[1].index)
    expected = confusion_matrix(rows["truth"], rows["label"], labels=labels, normalize="true")
    np.testing.assert_allclose(pair.shares[1], expected, atol=1e-12)
    said = words(confusion_pair_plot(pair, "p"))
    assert {*pair.names, "second minus first", "anger"} <= set(said)


def test_the_best_setting_of_a_grid_meets_its_counterpart(grid_runs):
    runs = load(grid_runs)
    (pair,) = confusion_pairs(runs, settings_by_data(runs))
    assert [name.replace("paraclap", "smoothclap") for name in pair.names] == [pair.names[1]] * 2


@pytest.fixture
def predictions():
    draw = np.random.default_rng(0)
    return pd.DataFrame({"truth": draw.choice(LABELS[:3], 90, p=[0.7, 0.2, 0.1]), "label": draw.choice(LABELS, 90)})


def test_confusion_equals_the_reference_and_shows_answers_outside_the_classes(predictions):
    counts = confusion(predictions, LABELS)
    expected = confusion_matrix(predictions["truth"], predictions["label"], labels=LABELS)
    np.testing.assert_array_equal(counts, expected)
    predictions.loc[0, "label"] = ""
    assert confusion(predictions, LABELS)["no label"].sum() == 1
    assert confusion(predictions, LABELS).to_numpy().sum() == len(predictions)
