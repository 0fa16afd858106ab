"""The two embedding clouds of each model, clips and captions in one plane."""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lightning_app.report.plots.colors import INK, MUTED
from lightning_app.report.plots.embedding import Floats
from lightning_app.report.plots.svg import WIDTH, page_style, to_svg
from lightning_app.report.read.space import Space, StageSpaces

CLIPS = 250  # of a model
_COLUMNS = 4
_AUDIO, _CAPTION = "#4477aa", "#ee6677"
_VALENCE = "viridis"


@dataclass(frozen=True)
class Plane:
    """Clips and captions on the first two principal components of both together.

    Args:
        audio_N2: the clips.
        caption_N2: each clip's caption.
        kept: share of the variance that the plane keeps, 0 to 1.
        gap: distance between the mean clip and the mean caption in the whole space.
    """

    audio_N2: Floats
    caption_N2: Floats
    kept: float
    gap: float


def plane(space: Space) -> Plane:
    """Project both clouds with one PCA, which leaves the gap between them to be seen."""
    both = np.concatenate([space.audio_NE, space.caption_NE])
    centred = both - both.mean(0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    first_2E = directions[:2]
    # A component's sign is arbitrary: its largest loading is made positive, so that a page comes out the same twice.
    first_2E = first_2E * np.sign(np.take_along_axis(first_2E, np.abs(first_2E).argmax(1)[:, None], 1))
    points = centred @ first_2E.T
    variance = sizes**2
    gap = float(np.linalg.norm(space.audio_NE.mean(0) - space.caption_NE.mean(0)))
    kept = float(variance[:2].sum() / variance.sum()) if variance.sum() else float("nan")
    return Plane(points[: len(space)], points[len(space) :], kept, gap)


def clouds_plot(stage: StageSpaces, name: str) -> str | None:
    """A column for each model: above by modality, below by valence where clips are rated; None without clips."""
    panels = [(model, space.some(CLIPS), plane(space.some(CLIPS))) for model, space in stage.first() if len(space) > 1]
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
        for place, (model, space, flat) in enumerate(panels):
            for number, kind in enumerate(kinds):
                axes = grid[place // _COLUMNS * len(kinds) + number, place % _COLUMNS]
                _panel(axes, flat, space.rating_N3[:, 0] if kind == "valence" else None)
                if not number:
                    axes.set_title(f"{model}\n", fontsize=9.5)
                    about = f"gap {flat.gap:.2f} · {100 * flat.kept:.0f} % of variance"
                    axes.text(0, 1.03, about, transform=axes.transAxes, fontsize=8, color=MUTED)
        _legend(figure, rated)
        try:
            return to_svg(figure, name, "Clips and captions of each model in one plane")
        finally:
            plt.close(figure)


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
