"""How alike a clip and a caption are, against how far apart their emotions lie."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from lightning_app.report.plots.colors import series_style
from lightning_app.report.plots.svg import WIDTH, page_style, to_svg
from lightning_app.report.read.space import Space, StageSpaces, read_space

CLIPS = 1000  # of a run: a million pairs
BIN = 0.5  # on the scale of 1 to 7


@dataclass(frozen=True)
class Curve:
    """Cosine against distance, B bins.

    Args:
        mean_B: mean over the pairs of each bin; NaN in an empty bin.
        error_B: standard error over clips, each with its own mean in the bin; zero for a single clip.
        correlation: Pearson's, over all pairs.
    """

    mean_B: NDArray[np.float64]
    error_B: NDArray[np.float64]
    correlation: float


_BINS = int(np.ceil(np.hypot(6, 6) / BIN))  # valence and arousal are at most six apart each


def curve(space: Space) -> Curve | None:
    """The curve over all pairs of a rated clip and a rated clip's caption; None for fewer than two rated clips.

    Distance is Euclidean in the plane of valence and arousal, between the ratings of the pair's two clips.
    """
    rated = space.rating_N3[:, :2]
    keep = ~np.isnan(rated).any(1)
    if keep.sum() < 2:
        return None
    rated = rated[keep]
    cosine_NN = space.audio_NE[keep] @ space.caption_NE[keep].T
    distance_NN = np.hypot(*(rated[:, None, axis] - rated[None, :, axis] for axis in (0, 1)))
    bins_NN = np.minimum((distance_NN / BIN).astype(int), _BINS - 1)
    cell = (np.arange(len(rated))[:, None] * _BINS + bins_NN).ravel()
    size = len(rated) * _BINS
    count_NB = np.bincount(cell, minlength=size).reshape(-1, _BINS)
    total_NB = np.bincount(cell, cosine_NN.ravel(), minlength=size).reshape(-1, _BINS)
    own_NB = np.divide(total_NB, count_NB, out=np.full(count_NB.shape, np.nan), where=count_NB > 0)
    count_B = count_NB.sum(0)
    mean_B = np.divide(total_NB.sum(0), count_B, out=np.full(_BINS, np.nan), where=count_B > 0)
    seen_B = count_B > 0
    error_B = np.full(_BINS, np.nan)
    error_B[seen_B] = np.nanstd(own_NB[:, seen_B], axis=0) / np.sqrt((count_NB[:, seen_B] > 0).sum(0))
    flat = np.ptp(distance_NN) == 0 or np.ptp(cosine_NN) == 0
    correlation = float("nan") if flat else float(np.corrcoef(distance_NN.ravel(), cosine_NN.ravel())[0, 1])
    return Curve(mean_B, error_B, correlation)


def similarity_plot(stage: StageSpaces, name: str) -> str | None:
    """Each model's mean over its runs, with a band of two standard errors; None where no clip is rated."""
    curves = {
        model: [found for path in paths if (found := curve(read_space(path).some(CLIPS)))]
        for model, paths in stage.files.items()
    }
    curves = {model: found for model, found in curves.items() if found}
    if not curves:
        return None
    with page_style():
        figure, axes = plt.subplots(figsize=(WIDTH, 3.9))
        for model, (color, marker) in series_style(list(curves)).items():
            mean_B = np.mean([found.mean_B for found in curves[model]], axis=0)
            band_B = 2 * np.mean([found.error_B for found in curves[model]], axis=0)
            seen = ~np.isnan(mean_B)
            x = (np.arange(_BINS)[seen] + 0.5) * BIN
            axes.plot(x, mean_B[seen], color=color, marker=marker, markersize=4, label=_label(model, curves[model]))
            axes.fill_between(x, (mean_B - band_B)[seen], (mean_B + band_B)[seen], color=color, alpha=0.2, linewidth=0)
        axes.set_xlim(left=0)
        axes.set_xlabel("distance in the valence-arousal plane")
        axes.set_ylabel("cosine of clip and caption")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        try:
            return to_svg(figure, name, "Similarity of clips and captions against the distance of their emotions")
        finally:
            plt.close(figure)


def _label(model: str, found: Sequence[Curve]) -> str:
    correlation = round(float(np.mean([curve.correlation for curve in found])), 2) + 0.0  # no minus before zero
    return f"{model} (r = {correlation:.2f})"
