"""A score over two numeric axes as a heat map."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from lightning_app.report.page.tables import lower_is_better, metrics_of, number_first, varying
from lightning_app.report.plots.colors import INK
from lightning_app.report.plots.svg import WIDTH, page_style, to_svg
from lightning_app.report.read.load import Runs

PANELS = 6


@dataclass(frozen=True)
class Grid:
    """Mean of `metric` by value of `across` (columns) and `down` (rows), over everything else that varies."""

    across: str
    down: str
    metric: str
    higher: bool
    panels: list[tuple[str, pd.DataFrame]]
    left_out: int


def grids(runs: Runs) -> Iterator[Grid]:
    """One for each pair of axes that both vary and hold numbers alone: the UA, or the first metric there is.

    A panel for each corpus, label set, system and value of the axes with words: the first `PANELS` of them.
    """
    table = next((kind for kind in (runs.results, runs.rated, runs.shared) if not kind.empty), runs.measured)
    metric = metrics_of(table)[0]
    higher = metric not in lower_is_better(table)
    rows = table[table["metric"] == metric]
    numeric = [axis for axis in varying(runs) if not any(number_first(v)[0] for v in rows[axis].unique() if v)]
    worded = [axis for axis in varying(runs) if axis not in numeric]
    for down, across in combinations(numeric, 2):
        panels = []
        for key, part in rows.groupby(["corpus", "label_set", "system", *worded], sort=False):
            grid = part[(part[down] != "") & (part[across] != "")].pivot_table("value", down, across)
            if min(grid.shape) > 1:
                grid = grid.loc[sorted(grid.index, key=float), sorted(grid.columns, key=float)]
                panels.append((" · ".join(word for word in map(str, key) if word), grid))
        if panels:
            yield Grid(across, down, metric, higher, panels[:PANELS], max(0, len(panels) - PANELS))


def heat_plot(grid: Grid, name: str) -> str:
    """The panels of a grid, one scale for all, every cell with its number, the best outlined."""
    columns = min(2 if max(p.shape[1] for _, p in grid.panels) > 6 else 3, len(grid.panels))
    rows = -(-len(grid.panels) // columns)
    height = max(0.34 * max(p.shape[0] for _, p in grid.panels) + 0.9, 2.4)
    low, high = (edge([np.nanmin(p) if edge is min else np.nanmax(p) for _, p in grid.panels]) for edge in (min, max))
    with page_style():
        figure, axes = plt.subplots(rows, columns, figsize=(WIDTH * min(1, columns / 2), height * rows), squeeze=False)
        for spare in axes.flat[len(grid.panels) :]:
            spare.set_visible(False)
        for panel, (title, values) in zip(axes.flat, grid.panels, strict=False):
            _panel(panel, values, low, high, grid.higher)
            panel.set_title(title)
            panel.set_xlabel(grid.across)
            panel.set_ylabel(grid.down)
        try:
            return to_svg(figure, name, f"{grid.metric} over {grid.down} and {grid.across}")
        finally:
            plt.close(figure)


def _panel(axes: Axes, values: pd.DataFrame, low: float, high: float, highest: bool) -> None:
    cells = values.to_numpy(dtype=float)
    high = max(high, low + 1e-9)
    axes.pcolormesh(cells, cmap="cividis", vmin=low, vmax=high)
    for (row, column), value in np.ndenumerate(cells):
        if not np.isnan(value):
            dark = (value - low) / (high - low) < 0.55
            axes.text(
                column + 0.5, row + 0.5, f"{value:.3f}".lstrip("0") if value < 1 else f"{value:.1f}", ha="center",
                va="center", fontsize=8, color="#ffffff" if dark else "#000000",
            )  # fmt: skip
    best = np.unravel_index(np.nanargmax(cells if highest else -cells), cells.shape)
    axes.add_patch(
        Rectangle((float(best[1]), float(best[0])), 1, 1, fill=False, edgecolor=INK, linewidth=2, clip_on=False)
    )
    axes.set_xticks(np.arange(cells.shape[1]) + 0.5, list(values.columns))
    axes.set_yticks(np.arange(cells.shape[0]) + 0.5, list(values.index))
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
