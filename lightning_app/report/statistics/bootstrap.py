"""Confidence intervals of the UA by resampling clips or speakers."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_CHUNK = 128  # resamples at a time: bounds memory at _CHUNK x units


def ua_interval(
    predictions: pd.DataFrame,
    runs: Sequence[str] = ("seed", "fold"),
    samples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the UA averaged over runs.

    What is drawn, with replacement, is speakers, and of those that are not known (an empty `speaker`, or no such
    column) each clip by itself (`id`): every prediction of a unit travels with it, each run's UA is taken over the
    classes it still has, and runs left without a clip are passed over.

    Args:
        predictions: rows of one setting, with truth, label and the columns of `runs`.
        runs: columns that tell the runs of a setting apart.
        samples: number of resamples.
        seed: seed of the draws.
        level: share of the resamples between the two ends.

    Returns:
        Lower and upper end, 0 to 1; NaN without predictions.
    """
    if predictions.empty:
        return float("nan"), float("nan")
    hits, clips = _counts(predictions, runs)
    means = np.concatenate([_mean_ua(weights, hits, clips) for weights in _weights(len(hits), samples, seed)])
    low, high = np.nanquantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _counts(predictions: pd.DataFrame, runs: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
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


def _weights(units: int, samples: int, seed: int) -> list[NDArray[np.float64]]:
    """How often each unit is drawn: arrays [B resamples, U units] that hold `samples` resamples in all."""
    draws = np.random.default_rng(seed)
    weights = []
    for start in range(0, samples, _CHUNK):
        size = min(_CHUNK, samples - start)
        drawn = draws.integers(units, size=(size, units)) + units * np.arange(size)[:, None]
        weights.append(np.bincount(drawn.ravel(), minlength=size * units).reshape(size, units).astype(float))
    return weights


def _mean_ua(
    weights_BU: NDArray[np.float64], hits_URC: NDArray[np.float64], clips_URC: NDArray[np.float64]
) -> NDArray[np.float64]:
    shape = (len(weights_BU), *hits_URC.shape[1:])
    hits = (weights_BU @ hits_URC.reshape(len(hits_URC), -1)).reshape(shape)
    clips = (weights_BU @ clips_URC.reshape(len(clips_URC), -1)).reshape(shape)
    recall = np.divide(hits, clips, out=np.zeros(shape), where=clips > 0)
    present = (clips > 0).sum(-1)
    ua = np.divide(recall.sum(-1), present, out=np.zeros(shape[:2]), where=present > 0)
    live = (present > 0).sum(-1)
    mean: NDArray[np.float64] = np.divide(ua.sum(-1), live, out=np.full(len(ua), np.nan), where=live > 0)
    return mean
