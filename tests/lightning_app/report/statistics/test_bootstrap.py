"""The interval equals a loop over resampled clips, and behaves as an interval should."""

from collections import defaultdict
from statistics import fmean as mean

import numpy as np
import pandas as pd
import pytest

from lightning_app.report.statistics.bootstrap import rating_intervals, ua_interval
from stages.metrics import concordance, mean_absolute_error


def some_predictions(seeds=2, clips=30, skill=0.6):
    draw = np.random.default_rng(3)
    truth = draw.choice(["anger", "fear", "sadness"], clips, p=[0.6, 0.3, 0.1])
    tables = []
    for seed in range(seeds):
        label = np.where(draw.random(clips) < skill, truth, draw.choice(["anger", "fear", "sadness"], clips))
        ids = [f"clip{i}" for i in range(clips)]
        fold = [str(i % 2) for i in range(clips)]
        tables.append(pd.DataFrame({"id": ids, "truth": truth, "label": label, "seed": str(seed), "fold": fold}))
    return pd.concat(tables, ignore_index=True).assign(corpus="EmoDB", speaker=lambda t: t["id"].str[-1])


def brute_force(table, unit, samples, seed):
    """Draw units, count each run's hits clip by clip, average recalls, then runs: one resample at a time."""
    units = list(dict.fromkeys(table[unit]))
    rows_of = {name: rows.to_dict("records") for name, rows in table.groupby(unit)}
    draws = np.random.default_rng(seed)
    sizes = [min(128, samples - start) for start in range(0, samples, 128)]
    means = []
    for picks in np.concatenate([draws.integers(len(units), size=(size, len(units))) for size in sizes]):
        hits = defaultdict(lambda: defaultdict(list))
        for row in (row for pick in picks for row in rows_of[units[pick]]):
            hits[row["seed"], row["fold"]][row["truth"]].append(row["truth"] == row["label"])
        means.append(mean(mean(mean(clips) for clips in run.values()) for run in hits.values()))
    return np.quantile(means, [0.025, 0.975])


@pytest.mark.parametrize("unit", ["id", "speaker"])
def test_equals_brute_force(unit):
    table = some_predictions(clips=20)
    given = table if unit == "speaker" else table.drop(columns="speaker")
    np.testing.assert_allclose(ua_interval(given, samples=140, seed=5), brute_force(table, unit, 140, 5), atol=1e-12)


def test_same_seed_same_interval():
    table = some_predictions()
    assert ua_interval(table, seed=1) == ua_interval(table, seed=1)
    assert ua_interval(table, seed=1) != ua_interval(table, seed=2)


def test_perfect_labels_have_an_interval_of_no_width():
    table = some_predictions()
    assert ua_interval(table.assign(label=table["truth"])) == (1.0, 1.0)
    assert ua_interval(table.assign(label="")) == (0.0, 0.0)


def test_more_clips_make_it_narrower():
    few, many = (ua_interval(some_predictions(clips=n).drop(columns="speaker"), samples=500) for n in (40, 640))
    assert many[1] - many[0] < 0.5 * (few[1] - few[0])


def test_no_predictions_no_interval():
    assert np.isnan(ua_interval(some_predictions()[:0])).all()


@pytest.mark.parametrize("unknown", ["", None])
def test_clips_of_unknown_speakers_are_drawn_one_by_one(unknown):
    """No clip knows its speaker: as without the column. One giant speaker would give an interval of no width."""
    table = some_predictions()
    by_clip = ua_interval(table.drop(columns="speaker"))
    assert ua_interval(table.assign(speaker=unknown)) == by_clip
    assert by_clip[1] - by_clip[0] > 0.05


def test_known_speakers_are_drawn_as_speakers_beside_clips_of_unknown_ones():
    table = some_predictions(clips=20)
    some = table.assign(speaker=table["speaker"].where(table["speaker"].isin(["1", "3"]), ""))
    # A clip may be called as a speaker is.
    some.loc[some["id"] == "clip2", "id"] = "1"
    unit = some["speaker"].where(some["speaker"] != "", "clip " + some["id"])
    expected = brute_force(some.assign(unit=unit), "unit", 140, 5)
    np.testing.assert_allclose(ua_interval(some, samples=140, seed=5), expected, atol=1e-12)


def some_ratings(seeds=2, clips=24):
    draw = np.random.default_rng(4)
    truth = draw.uniform(1, 7, clips).round(2)
    truth[0] = np.nan
    tables = []
    for seed in range(seeds):
        told = {"id": [f"clip{i}" for i in range(clips)], "true_value": truth, "seed": str(seed)}
        tables.append(pd.DataFrame(told | {"value": 0.6 * truth + draw.normal(1, 0.8, clips)}))
    return pd.concat(tables, ignore_index=True).assign(
        corpus="X", label="valence", fold="", speaker=lambda t: t["id"].str[-1]
    )


def test_intervals_of_ratings_equal_brute_force():
    table = some_ratings()
    found = rating_intervals(table, samples=100, seed=5)
    rated = table.dropna(subset="true_value")
    units = list(dict.fromkeys(rated["speaker"]))
    rows_of = dict(iter(rated.groupby("speaker")))
    means = {"CCC valence": [], "MAE valence": []}
    for picks in np.random.default_rng(5).integers(len(units), size=(100, len(units))):
        drawn = pd.concat([rows_of[units[pick]] for pick in picks])
        runs = [rows for _, rows in drawn.groupby("seed")]
        for name, score in (("CCC valence", concordance), ("MAE valence", mean_absolute_error)):
            means[name].append(mean(score(rows["value"], rows["true_value"]) for rows in runs))
    for name, values in means.items():
        np.testing.assert_allclose(found[name], np.quantile(values, [0.025, 0.975]), atol=1e-9)


def test_a_dimension_without_ratings_has_no_interval():
    assert rating_intervals(some_ratings().assign(true_value=np.nan)) == {}
