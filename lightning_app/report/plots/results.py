"""The page's plots of results: UA of every setting, UA along an axis, learning curves."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from lightning_app.report.plots.colors import INK, MUTED, PAPER, series_style
from lightning_app.report.plots.svg import WIDTH, page_style, to_svg


def ua_plot(settings: pd.DataFrame, name: str) -> str:
    """Mean, 95 % interval and single runs of the UA, a line for each setting of one corpus and view.

    Args:
        settings: columns label, system, values (the runs' UA), mean, low, high (NaN: no interval) and chance.
        name: unique on the page.
    """
    style = series_style(list(settings["system"].unique()))
    with page_style():
        figure, axes = plt.subplots(figsize=(WIDTH, 0.7 + 0.33 * len(settings)))
        for place, row in enumerate(settings.to_dict("records")):
            colour, marker = style[row["system"]]
            axes.scatter(row["values"], [place] * len(row["values"]), s=14, color=colour, alpha=0.35, linewidths=0)
            axes.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=2.2, solid_capstyle="round")
            axes.scatter(
                row["mean"], place, s=46, color=colour, marker=marker, edgecolors=PAPER, linewidths=0.9, zorder=3
            )
        _chance_line(axes.axvline, settings["chance"].iloc[0])
        axes.set_yticks(range(len(settings)), settings["label"], color=INK)
        axes.set_ylim(len(settings) - 0.5, -0.5)
        axes.set_xlim(0, 1)
        axes.set_xlabel("UA (mean recall over classes)")
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        return _finish(figure, name, "UA of every setting: " + _spoken(settings))


def axis_plot(settings: pd.DataFrame, axis: str, name: str) -> str:
    """UA against a numeric axis, with the standard deviation over runs as error bars; a panel for each corpus and view.

    Args:
        settings: columns corpus, view, series, chance, mean, std and `axis`; one row for each point.
        axis: the column along which to plot.
        name: unique on the page.
    """
    panels = list(settings.groupby(["corpus", "view"], sort=False))
    places = {value: place for place, value in enumerate(sorted(settings[axis].unique(), key=float))}
    style = series_style(list(settings["series"].unique()))
    rows = -(-len(panels) // 3)
    with page_style():
        figure, grid = plt.subplots(
            rows, min(3, len(panels)), figsize=(WIDTH, 3.1 * rows + 0.3), sharey=True, squeeze=False
        )
        for spare in grid.flat[len(panels) :]:
            spare.set_visible(False)
        for axes, ((corpus, view), panel) in zip(grid.flat, panels, strict=False):
            for number, (series, points) in enumerate(panel.groupby("series", sort=False)):
                colour, marker = style[str(series)]
                # A small sideways step keeps error bars of different series from covering each other.
                x = [
                    places[value] + 0.02 * len(panels) * (number - (panel["series"].nunique() - 1) / 2)
                    for value in points[axis]
                ]
                axes.errorbar(
                    x, points["mean"], points["std"].fillna(0), color=colour, marker=marker, markersize=5, capsize=3,
                    linewidth=1.5, elinewidth=1, label=series,
                )  # fmt: skip
            _chance_line(axes.axhline, panel["chance"].iloc[0], named=False)
            axes.set_xticks(range(len(places)), list(places))
            axes.set_xlabel(axis)
            axes.set_title(f"{corpus} · {view}")
        grid[0, 0].set_ylabel("UA")
        handles, names = grid[0, 0].get_legend_handles_labels()
        figure.legend(
            handles, names, loc="outside lower center", ncols=max(1, min(4, 120 // (8 + max(map(len, names)))))
        )
        return _finish(figure, name, f"UA against {axis}")


def learning_curves(curves: Sequence[pd.DataFrame], name: str) -> str | None:
    """Mean and range over the runs of one stage: losses, scores (-1 to 1), other values; None where nothing was logged.

    Args:
        curves: each run's metrics.csv: columns epoch, step, and sparse columns such as train/loss and val/ua.
        name: unique on the page.
    """
    rows = pd.concat(curves, ignore_index=True)
    logged = [
        column for column in map(str, rows.columns) if "/" in column and pd.api.types.is_numeric_dtype(rows[column])
    ]
    logged = [column for column in logged if rows[column].notna().any() and not column.endswith("_step")]
    # Drawn, they would squeeze the others into the upper part of the panel.
    zeros = [column for column in logged if rows[column].fillna(0).eq(0).all()]
    logged = [column for column in logged if column not in zeros]
    losses = [column for column in logged if "loss" in column]
    scores = [column for column in logged if column not in losses and rows[column].abs().max() <= 1]
    others = [column for column in logged if column not in (*losses, *scores)]
    titled = (("Loss", losses), ("Scores", scores), ("Other", others))
    panels = [(title, columns) for title, columns in titled if columns]
    if not panels:
        return None
    # A stage of one or two epochs shows its course only in steps.
    clock = "epoch" if "epoch" in rows and rows["epoch"].nunique() > 2 else "step"
    with page_style():
        most = max(len(columns) for _, columns in panels)
        figure, grid = plt.subplots(1, max(2, len(panels)), figsize=(WIDTH, 2.6 + 0.18 * most), squeeze=False)
        for spare in grid[0, len(panels) :]:
            spare.set_visible(False)
        for axes, (title, columns) in zip(grid[0], panels, strict=False):
            for place, (column, (colour, _)) in enumerate(series_style(columns).items()):
                # Dashes let a curve shine through that runs below them, as WA and UA do where classes are balanced.
                _curve(axes, curves, column, clock, colour, "--" if place % 2 else "-")
            axes.set_title(title)
            axes.set_xlabel(clock)
            axes.legend(
                fontsize=8, loc="upper left", bbox_to_anchor=(0, -0.25), borderaxespad=0, ncols=1 + (len(columns) > 3)
            )
            if clock == "epoch":
                axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if zeros:
            figure.supxlabel(f"0 throughout: {', '.join(zeros)}", x=0, ha="left", fontsize=8, color=MUTED)
        return _finish(figure, name, f"Learning curves: {', '.join(logged)}")


def _curve(axes: Axes, curves: Sequence[pd.DataFrame], column: str, clock: str, colour: str, dashes: str) -> None:
    runs = [
        run.dropna(subset=[column]).groupby(clock)[column].mean() for run in curves if column in run and clock in run
    ]
    table = pd.concat(runs, axis="columns").sort_index()
    # Lightning counts epochs from 0, people from 1.
    table.index += clock == "epoch"
    marker = "o" if len(table) < 2 else ""
    axes.plot(
        table.index, table.mean(axis=1), color=colour, label=column, linewidth=1.6, linestyle=dashes, marker=marker
    )
    if table.shape[1] > 1:
        axes.fill_between(table.index, table.min(axis=1), table.max(axis=1), color=colour, alpha=0.18, linewidth=0)


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


def _finish(figure: Any, name: str, alt: str) -> str:
    try:
        return to_svg(figure, name, alt)
    finally:
        plt.close(figure)
