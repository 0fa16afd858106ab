"""What learning curves show, read from their text."""

import re

import pandas as pd

from lightning_app.report.plots.curves import learning_curves


def words(svg):
    return re.findall(r"<text[^>]*>([^<]+)</text>", svg)


def test_learning_curves_sort_what_was_logged_into_panels():
    run = pd.DataFrame(
        {
            "epoch": [0, 0, 1, 1, 2, 2],
            "step": [4, 4, 9, 9, 14, 14],
            "train/loss": [3.0, None, 2.0, None, 1.0, None],
            "train/scale": [14.0, None, 15.0, None, 16.0, None],
            "val/UA": [None, 0.2, None, 0.4, None, 0.6],
            "val/empty": [None] * 6,
            "train/loss_step": [9.0] * 6,
        }
    )
    found = words(learning_curves([run, run + 0.1], "c"))
    for said in ("Loss", "Scores", "Other", "train/loss", "train/scale", "val/UA", "epoch"):
        assert said in found
    assert not {"val/empty", "train/loss_step"} & set(found)


def test_what_was_zero_throughout_is_named_and_not_drawn_and_epochs_count_from_one():
    run = pd.DataFrame(
        {"epoch": range(4), "step": range(4), "val/UA": [0.5, 0.52, 0.53, 0.55], "train/zeros": [0.0] * 4}
    )
    found = words(learning_curves([run], "c"))
    assert "train/zeros" not in found
    assert "0 throughout: train/zeros" in found
    ticks = [float(said) for said in found if re.fullmatch(r"\d", said)]
    assert ticks
    assert min(ticks) == 1
    assert max(ticks) == 4


def test_the_legend_stands_below_the_curves():
    run = pd.DataFrame({"epoch": range(4), "step": range(4), "val/UA": [0.5, 0.52, 0.53, 0.55]})
    place = {
        said: float(y)
        for y, said in re.findall(r'<text[^>]*? y="([\d.]+)"[^>]*>([^<]+)</text>', learning_curves([run], "c"))
    }
    assert place["val/UA"] > place["epoch"]


def test_few_epochs_are_shown_in_steps_and_nothing_logged_draws_nothing():
    run = pd.DataFrame({"epoch": [0] * 3, "step": [0, 1, 2], "train/loss": [3.0, 2.0, 1.0]})
    assert "step" in words(learning_curves([run], "c"))
    assert learning_curves([run.drop(columns="train/loss")], "c") is None
