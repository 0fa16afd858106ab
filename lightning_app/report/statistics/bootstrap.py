"""Confidence intervals of UA, CCC and MAE by resampling clips or speakers."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_CHUNK = 128  # resamples at a time: bounds memory at _CHUNK x units

Array = NDArray[np.float64]


def ua_interval(
    predictions: pd.DataFrame,
    runs: Sequence[str] = ("seed", "fold"),
    samples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the UA averaged over runs.

    What is drawn, with replacement, is speakers, and of those that are not known (an empty ``speaker``, or no such
    column) each clip by itself (``id``): every prediction of a unit travels with it, each run's UA is taken over the
    classes it still has, and runs left without a clip are passed over.

    Args:
        predictions: Rows of one setting, with truth, label and the columns of ``runs``.
        runs: Columns that tell the runs of a setting apart.
        samples: Number of resamples.
        seed: Seed of the draws.
        level: Share of the resamples between the two ends.

    Returns:
        Lower and upper end, 0 to 1; NaN without predictions.
    """
    if predictions.empty:
        return float("nan"), float("nan")
    hits, clips = _counts(predictions, runs)
    return _interval(lambda weights: _mean_ua(weights, hits, clips), len(hits), samples, seed, level)


def rating_intervals(
    ratings: pd.DataFrame,
    runs: Sequence[str] = ("seed", "fold"),
    samples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, tuple[float, float]]:
    """Percentile bootstrap intervals of CCC and MAE averaged over runs, by metric and dimension: ``CCC valence``.

    Drawn as for ``ua_interval``; clips that were not rated on a dimension take no part in its intervals.

    Args:
        ratings: Rows of one setting, with label (the dimension), value, true_value and the columns of ``runs``.
        runs: Columns that tell the runs of a setting apart.
        samples: Number of resamples.
        seed: Seed of the draws.
        level: Share of the resamples between the two ends.
    """
    found = {}
    for dimension, rows in ratings.dropna(subset=["value", "true_value"]).groupby("label", sort=False):
        sums_URM = _moments(rows, runs)
        for name, measured in (("CCC", _concordance), ("MAE", _absolute_error)):
            found[f"{name} {dimension}"] = _interval(
                partial(_mean_of_runs, sums_URM, measured), len(sums_URM), samples, seed, level
            )
    return found


def _interval(mean: Callable[[Array], Array], units: int, samples: int, seed: int, level: float) -> tuple[float, float]:
    means = np.concatenate([mean(weights) for weights in _weights(units, samples, seed)])
    if np.isnan(means).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _moments(ratings: pd.DataFrame, runs: Sequence[str]) -> Array:
    """Sums over the clips of each unit and run, [U, R, 7]: 1, x, y, x^2, y^2, xy and |x - y|."""
    unit, run = pd.factorize(_units(ratings))[0], ratings.groupby(list(runs)).ngroup().to_numpy()
    # Near their middle the squares lose fewer digits; agreement does not depend on where the scale begins.
    middle = ratings["true_value"].mean()
    x_N, y_N = ((ratings[name] - middle).to_numpy(float) for name in ("value", "true_value"))
    sums_URM = np.zeros((unit.max() + 1, run.max() + 1, 7))
    terms = [np.ones_like(x_N), x_N, y_N, x_N**2, y_N**2, x_N * y_N, np.abs(x_N - y_N)]
    np.add.at(sums_URM, (unit, run), np.stack(terms, axis=1))
    return sums_URM


def _mean_of_runs(sums_URM: Array, measured: Callable[[Array], Array], weights_BU: Array) -> Array:
    """The mean over the runs in which it can be measured, [B]."""
    sums_BRM = np.tensordot(weights_BU, sums_URM, axes=1)
    value_BR = measured(np.moveaxis(sums_BRM, -1, 0))
    live_B = np.isfinite(value_BR).sum(1)
    mean_B: Array = np.divide(np.nansum(value_BR, axis=1), live_B, out=np.full(len(live_B), np.nan), where=live_B > 0)
    return mean_B


def _concordance(sums_MBR: Array) -> Array:
    n, x, y, xx, yy, xy, _ = sums_MBR
    n = np.where(n > 0, n, np.nan)
    x, y = x / n, y / n
    covariance, spread = xy / n - x * y, xx / n - x**2 + yy / n - y**2 + (x - y) ** 2
    ccc: Array = np.divide(2 * covariance, spread, out=np.full(spread.shape, np.nan), where=spread > 1e-12)
    return ccc


def _absolute_error(sums_MBR: Array) -> Array:
    n, *_, apart = sums_MBR
    mae: Array = np.divide(apart, n, out=np.full(n.shape, np.nan), where=n > 0)
    return mae


def _counts(predictions: pd.DataFrame, runs: Sequence[str]) -> tuple[Array, Array]:
    """Clips labelled rightly, and clips, by unit, run and class: two arrays [U units, R runs, C classes]."""
    codes = [
        pd.factorize(_units(predictions))[0],
        predictions.groupby(list(runs)).ngroup().to_numpy(),
        pd.factorize(predictions["truth"])[0],
    ]
    shape = [int(code.max()) + 1 for code in codes]
    hits, clips = np.zeros(shape), np.zeros(shape)
    np.add.at(clips, tuple(codes), 1.0)
    np.add.at(hits, tuple(codes), (predictions["truth"] == predictions["label"]).to_numpy(float))
    return hits, clips


def _units(predictions: pd.DataFrame) -> "pd.Series[str]":
    """The speaker of each prediction, or the clip where the speaker is not known: unknown ones are not one person."""
    clip = predictions["corpus"] + "\0clip\0" + predictions["id"]
    if "speaker" not in predictions:
        return clip
    speaker = predictions["speaker"].fillna("")
    return (predictions["corpus"] + "\0speaker\0" + speaker).where(speaker != "", clip)


def _weights(units: int, samples: int, seed: int) -> list[Array]:
    """Counts of the draws of each unit: arrays [B resamples, U units] with ``samples`` resamples in all."""
    draws = np.random.default_rng(seed)
    weights = []
    for start in range(0, samples, _CHUNK):
        size = min(_CHUNK, samples - start)
        drawn = draws.integers(units, size=(size, units)) + units * np.arange(size)[:, None]
        weights.append(np.bincount(drawn.ravel(), minlength=size * units).reshape(size, units).astype(float))
    return weights


def _mean_ua(weights_BU: Array, hits_URC: Array, clips_URC: Array) -> Array:
    shape = (len(weights_BU), *hits_URC.shape[1:])
    hits = (weights_BU @ hits_URC.reshape(len(hits_URC), -1)).reshape(shape)
    clips = (weights_BU @ clips_URC.reshape(len(clips_URC), -1)).reshape(shape)
    recall = np.divide(hits, clips, out=np.zeros(shape), where=clips > 0)
    present = (clips > 0).sum(-1)
    ua = np.divide(recall.sum(-1), present, out=np.zeros(shape[:2]), where=present > 0)
    live = (present > 0).sum(-1)
    mean: Array = np.divide(ua.sum(-1), live, out=np.full(len(ua), np.nan), where=live > 0)
    return mean
