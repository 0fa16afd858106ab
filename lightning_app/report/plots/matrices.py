"""Matrices as colored cells with numbers: a score over two axes, and the confusions of two models."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from lightning_app.report.plots.style import INK, WIDTH, page_style, to_svg
from lightning_app.report.statistics.axes import Grid
from lightning_app.report.statistics.confusion import ConfusionPair


def heat_plot(grid: Grid, name: str) -> str:
    """Draw the panels of a grid on one scale, every cell with its number, the best one outlined."""
    columns = min(2 if max(p.shape[1] for _, p in grid.panels) > 6 else 3, len(grid.panels))
    rows = -(-len(grid.panels) // columns)
    height = max(0.34 * max(p.shape[0] for _, p in grid.panels) + 0.9, 2.4)
    low = min(float(np.nanmin(values)) for _, values in grid.panels)
    high = max(float(np.nanmax(values)) for _, values in grid.panels)
    with page_style():
        figure, axes = plt.subplots(rows, columns, figsize=(WIDTH * min(1, columns / 2), height * rows), squeeze=False)
        for spare in axes.flat[len(grid.panels) :]:
            spare.set_visible(False)
        for panel, (title, values) in zip(axes.flat, grid.panels, strict=False):
            _grid_panel(panel, values, low, high, grid.higher)
            panel.set_title(title)
            panel.set_xlabel(grid.across)
            panel.set_ylabel(grid.down)
        return to_svg(figure, name, f"{grid.metric} over {grid.down} and {grid.across}")


def _grid_panel(axes: Axes, values: pd.DataFrame, low: float, high: float, highest: bool) -> None:
    cells = values.to_numpy(dtype=float)
    high = max(high, low + 1e-9)
    axes.pcolormesh(cells, cmap="cividis", vmin=low, vmax=high)
    for (row, column), value in np.ndenumerate(cells):
        if not np.isnan(value):
            dark = (value - low) / (high - low) < 0.55
            text = f"{value:.3f}".lstrip("0") if value < 1 else f"{value:.1f}"
            color = "#ffffff" if dark else "#000000"
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=8, color=color)
    best = np.unravel_index(np.nanargmax(cells if highest else -cells), cells.shape)
    axes.add_patch(
        Rectangle((float(best[1]), float(best[0])), 1, 1, fill=False, edgecolor=INK, linewidth=2, clip_on=False)
    )
    _label_cells(axes, values)


def confusion_pair_plot(pair: ConfusionPair, name: str) -> str:
    """Draw both matrices, and the second minus the first."""
    columns = max((table.columns for table in pair.shares), key=len)
    first, second = (table.reindex(columns=columns, fill_value=0.0) for table in pair.shares)
    size = 0.29 * len(first) + 1.15
    with page_style():
        figure, grid = plt.subplots(1, 3, figsize=(WIDTH, max(size, 2.7)), sharey=True)
        for axes, table, title in zip(grid, (first, second), pair.names, strict=False):
            _matrix(axes, table, "Blues", (0.0, 1.0), "{:.2f}")
            axes.set_title(title)
        gap = second - first
        bound = max(float(np.nanmax(np.abs(gap.to_numpy()))), 1e-9)
        _matrix(grid[2], gap, "RdBu", (-bound, bound), "{:+.2f}")
        grid[2].set_title("second minus first")
        grid[0].set_ylabel("truth")
        grid[1].set_xlabel("answer")
        return to_svg(figure, name, f"Confusions of {pair.names[0]} and {pair.names[1]} on {pair.data}")


def _matrix(axes: Axes, table: pd.DataFrame, colors: str, bounds: tuple[float, float], number: str) -> None:
    cells = table.to_numpy()
    mesh = axes.pcolormesh(cells, cmap=colors, vmin=bounds[0], vmax=bounds[1])
    for (row, column), value in np.ndenumerate(cells):
        if not np.isnan(value):
            red, green, blue, _ = mesh.cmap(mesh.norm(value))
            light = 0.3 * red + 0.59 * green + 0.11 * blue > 0.55
            text = number.format(value).replace("0.", ".", 1)
            color = "#000000" if light else "#ffffff"
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=7.5, color=color)
    _label_cells(axes, table, rotation=40, ha="right")
    axes.set_ylim(len(cells), 0)


def _label_cells(axes: Axes, table: pd.DataFrame, rotation: float = 0, ha: str = "center") -> None:
    axes.set_xticks(np.arange(table.shape[1]) + 0.5, list(table.columns), rotation=rotation, ha=ha)
    axes.set_yticks(np.arange(table.shape[0]) + 0.5, list(table.index))
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
