"""Plots of the shared space: clips and captions of each model in a plane, and their similarity against emotions."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from lightning_app.report.plots.style import INK, MUTED, WIDTH, page_style, series_style, to_svg
from lightning_app.report.read.space import Floats, Space, StageSpaces, read_space

CLOUD_CLIPS = 250  # of a model
_COLUMNS = 4
_AUDIO, _CAPTION = "#4477aa", "#ee6677"
_VALENCE = "viridis"
CURVE_CLIPS = 1000  # of a run: a million pairs
BIN = 0.5  # on the scale of 1 to 7
_BINS = int(np.ceil(np.hypot(6, 6) / BIN))  # valence and arousal are at most six apart each


@dataclass(frozen=True)
class Plane:
    """Clips and captions on the first two principal components of both together.

    Args:
        audio_N2: The clips.
        caption_N2: Each clip's caption.
        kept: Share of the variance that the plane shows, 0 to 1.
        gap: Distance between the mean clip and the mean caption in the whole space.
    """

    audio_N2: Floats
    caption_N2: Floats
    kept: float
    gap: float


def plane(space: Space) -> Plane:
    """Project both clouds with one PCA, which leaves the gap between them to be seen."""
    both = np.concatenate([space.audio_NE, space.caption_NE])
    centered = both - both.mean(0)
    _, sizes, directions = np.linalg.svd(centered, full_matrices=False)
    first_2E = directions[:2]
    # A component's sign is arbitrary: its largest loading is made positive, so that a page comes out the same twice.
    first_2E = first_2E * np.sign(np.take_along_axis(first_2E, np.abs(first_2E).argmax(1)[:, None], 1))
    points = centered @ first_2E.T
    variance = sizes**2
    gap = float(np.linalg.norm(space.audio_NE.mean(0) - space.caption_NE.mean(0)))
    kept = float(variance[:2].sum() / variance.sum()) if variance.sum() else float("nan")
    return Plane(points[: len(space)], points[len(space) :], kept, gap)


def clouds_plot(stage: StageSpaces, name: str) -> str | None:
    """A column for each model: above by modality, below by valence where clips are rated; None without clips."""
    panels = []
    for model, space in stage.first():
        if len(space) > 1:
            sample = space.sample(CLOUD_CLIPS)
            panels.append((model, sample, plane(sample)))
    if not panels:
        return None
    rated = any(not np.isnan(space.rating_N3[:, 0]).all() for _, space, _ in panels)
    kinds = ("modality", "valence") if rated else ("modality",)
    blocks = -(-len(panels) // _COLUMNS)
    with page_style():
        figure, grid = plt.subplots(
            blocks * len(kinds), _COLUMNS, figsize=(WIDTH, 0.4 + 2.0 * blocks * len(kinds)), squeeze=False
        )
        for spare in grid.flat:
            spare.set_axis_off()
        for panel, (model, space, flat) in enumerate(panels):
            for number, kind in enumerate(kinds):
                axes = grid[panel // _COLUMNS * len(kinds) + number, panel % _COLUMNS]
                _panel(axes, flat, space.rating_N3[:, 0] if kind == "valence" else None)
                if not number:
                    axes.set_title(f"{model}\n", fontsize=9.5)
                    about = f"gap {flat.gap:.2f} · {100 * flat.kept:.0f} % of variance"
                    axes.text(0, 1.03, about, transform=axes.transAxes, fontsize=8, color=MUTED)
        _legend(figure, rated)
        return to_svg(figure, name, "Clips and captions of each model in one plane")


def _panel(axes: Axes, flat: Plane, valence_N: Floats | None) -> None:
    axes.set_axis_on()
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_box_aspect(0.8)
    for points, color, marker in ((flat.audio_N2, _AUDIO, "o"), (flat.caption_N2, _CAPTION, "^")):
        if valence_N is None:
            axes.scatter(points[:, 0], points[:, 1], s=9, color=color, marker=marker, alpha=0.55, linewidths=0)
        else:
            seen = ~np.isnan(valence_N)
            axes.scatter(
                points[seen, 0],
                points[seen, 1], s=9, c=valence_N[seen], cmap=_VALENCE, vmin=1, vmax=7, marker=marker, alpha=0.75,
                linewidths=0,
            )  # fmt: skip


def _legend(figure: Figure, rated: bool) -> None:
    handles = [
        Line2D([], [], linestyle="", marker="o", color=_AUDIO, label="clip"),
        Line2D([], [], linestyle="", marker="^", color=_CAPTION, label="caption"),
    ]
    if rated:
        colors = plt.get_cmap(_VALENCE)
        handles += [
            Line2D([], [], linestyle="", marker="s", color=colors((v - 1) / 6), label=f"valence {v}") for v in (1, 4, 7)
        ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), labelcolor=INK)


@dataclass(frozen=True)
class Curve:
    """Cosine against distance, B bins.

    Args:
        mean_B: Mean over the pairs of each bin; NaN in an empty bin.
        error_B: Standard error over clips, each with one mean in the bin; zero for a single clip.
        correlation: Pearson's, over all pairs.
    """

    mean_B: NDArray[np.float64]
    error_B: NDArray[np.float64]
    correlation: float


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
    difference_NN2 = rated[:, None] - rated[None]
    distance_NN = np.hypot(difference_NN2[..., 0], difference_NN2[..., 1])
    bins_NN = np.minimum((distance_NN / BIN).astype(int), _BINS - 1)
    cell = (np.arange(len(rated))[:, None] * _BINS + bins_NN).ravel()
    size = len(rated) * _BINS
    count_NB = np.bincount(cell, minlength=size).reshape(-1, _BINS)
    total_NB = np.bincount(cell, cosine_NN.ravel(), minlength=size).reshape(-1, _BINS)
    mean_NB = np.divide(total_NB, count_NB, out=np.full(count_NB.shape, np.nan), where=count_NB > 0)
    count_B = count_NB.sum(0)
    mean_B = np.divide(total_NB.sum(0), count_B, out=np.full(_BINS, np.nan), where=count_B > 0)
    seen_B = count_B > 0
    error_B = np.full(_BINS, np.nan)
    error_B[seen_B] = np.nanstd(mean_NB[:, seen_B], axis=0) / np.sqrt((count_NB[:, seen_B] > 0).sum(0))
    flat = np.ptp(distance_NN) == 0 or np.ptp(cosine_NN) == 0
    correlation = float("nan") if flat else float(np.corrcoef(distance_NN.ravel(), cosine_NN.ravel())[0, 1])
    return Curve(mean_B, error_B, correlation)


def similarity_plot(stage: StageSpaces, name: str) -> str | None:
    """Each model's mean over its runs, with a band of two standard errors; None where no clip is rated."""
    curves = {}
    for model, paths in stage.files.items():
        found = [curve(read_space(path).sample(CURVE_CLIPS)) for path in paths]
        if any(found):
            curves[model] = [one for one in found if one]
    if not curves:
        return None
    with page_style():
        figure, axes = plt.subplots(figsize=(WIDTH, 3.9))
        for model, (color, marker) in series_style(list(curves)).items():
            mean_B = np.mean([one.mean_B for one in curves[model]], axis=0)
            band_B = 2 * np.mean([one.error_B for one in curves[model]], axis=0)
            seen = ~np.isnan(mean_B)
            x = (np.arange(_BINS)[seen] + 0.5) * BIN
            axes.plot(x, mean_B[seen], color=color, marker=marker, markersize=4, label=_label(model, curves[model]))
            axes.fill_between(x, (mean_B - band_B)[seen], (mean_B + band_B)[seen], color=color, alpha=0.2, linewidth=0)
        axes.set_xlim(left=0)
        axes.set_xlabel("distance in the valence-arousal plane")
        axes.set_ylabel("cosine of clip and caption")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return to_svg(figure, name, "Similarity of clips and captions against the distance of their emotions")


def _label(model: str, found: Sequence[Curve]) -> str:
    correlation = round(float(np.mean([curve.correlation for curve in found])), 2) + 0.0  # no minus before zero
    return f"{model} (r = {correlation:.2f})"
