"""Plots of the UA: of every setting, and along an axis."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from lightning_app.report.plots.style import INK, MUTED, PAPER, WIDTH, page_style, series_style, to_svg


def ua_plot(settings: pd.DataFrame, name: str) -> str:
    """Mean, 95 % interval and single runs of the UA, a line for each setting of one corpus and label set.

    Args:
        settings: Columns label, system, values (the runs' UA), mean, low, high (NaN: no interval) and chance.
        name: Unique on the page.
    """
    style = series_style(list(settings["system"].unique()))
    with page_style():
        figure, axes = plt.subplots(figsize=(WIDTH, 0.7 + 0.33 * len(settings)))
        for y, row in enumerate(settings.to_dict("records")):
            color, marker = style[row["system"]]
            axes.scatter(row["values"], [y] * len(row["values"]), s=14, color=color, alpha=0.35, linewidths=0)
            axes.plot([row["low"], row["high"]], [y, y], color=color, linewidth=2.2, solid_capstyle="round")
            axes.scatter(row["mean"], y, s=46, color=color, marker=marker, edgecolors=PAPER, linewidths=0.9, zorder=3)
        _chance_line(axes.axvline, settings["chance"].iloc[0])
        axes.set_yticks(range(len(settings)), settings["label"], color=INK)
        axes.set_ylim(len(settings) - 0.5, -0.5)
        axes.set_xlim(0, 1)
        axes.set_xlabel("UA (mean recall over classes)")
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        return to_svg(figure, name, "UA of every setting: " + _spoken(settings))


def axis_plot(settings: pd.DataFrame, axis: str, name: str) -> str:
    """UA against a numeric axis, error bars of one standard deviation over runs, a panel for each corpus and label set.

    Args:
        settings: Columns corpus, label_set, series, chance, mean, std and ``axis``; one row for each point.
        axis: The column along which to plot.
        name: Unique on the page.
    """
    panels = list(settings.groupby(["corpus", "label_set"], sort=False))
    positions = {value: x for x, value in enumerate(sorted(settings[axis].unique(), key=float))}
    style = series_style(list(settings["series"].unique()))
    rows = -(-len(panels) // 3)
    with page_style():
        figure, grid = plt.subplots(
            rows, min(3, len(panels)), figsize=(WIDTH, 3.1 * rows + 0.3), sharey=True, squeeze=False
        )
        for spare in grid.flat[len(panels) :]:
            spare.set_visible(False)
        for axes, ((corpus, label_set), panel) in zip(grid.flat, panels, strict=False):
            for number, (series, points) in enumerate(panel.groupby("series", sort=False)):
                color, marker = style[str(series)]
                # A small sideways step keeps error bars of different series from covering each other.
                x = [
                    positions[value] + 0.02 * len(panels) * (number - (panel["series"].nunique() - 1) / 2)
                    for value in points[axis]
                ]
                axes.errorbar(
                    x, points["mean"], points["std"].fillna(0), color=color, marker=marker, markersize=5, capsize=3,
                    linewidth=1.5, elinewidth=1, label=series,
                )  # fmt: skip
            _chance_line(axes.axhline, panel["chance"].iloc[0], named=False)
            axes.set_xticks(range(len(positions)), list(positions))
            axes.set_xlabel(axis)
            axes.set_title(f"{corpus} · {label_set}")
        grid[0, 0].set_ylabel("UA")
        handles, names = grid[0, 0].get_legend_handles_labels()
        figure.legend(
            handles, names, loc="outside lower center", ncols=max(1, min(4, 120 // (8 + max(map(len, names)))))
        )
        return to_svg(figure, name, f"UA against {axis}")


def _chance_line(draw: Any, level: float, named: bool = True) -> None:
    if np.isnan(level):
        return
    line = draw(level, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    if named:
        line.axes.annotate(
            f"chance {level:.3f}", (level, 1), (4, 1), xycoords=("data", "axes fraction"), textcoords="offset points",
            color=MUTED, fontsize=8,
        )  # fmt: skip


def _spoken(settings: pd.DataFrame) -> str:
    return "; ".join(f"{row['label']} {row['mean']:.3f}" for row in settings.to_dict("records"))
