"""Learning curves of a stage."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from lightning_app.report.plots.style import MUTED, WIDTH, page_style, series_style, to_svg


def learning_curves(curves: Sequence[pd.DataFrame], name: str) -> str | None:
    """Mean and range over the runs of one stage: losses, scores (-1 to 1), other values; None where nothing was logged.

    Args:
        curves: Each run's metrics.csv: columns epoch, step, and sparse columns such as train/loss and val/ua.
        name: Unique on the page.
    """
    rows = pd.concat(curves, ignore_index=True)
    named = [column for column in map(str, rows.columns) if "/" in column and not column.endswith("_step")]
    numeric = [column for column in named if pd.api.types.is_numeric_dtype(rows[column])]
    logged = [column for column in numeric if rows[column].notna().any()]
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
            for number, (column, (color, _)) in enumerate(series_style(columns).items()):
                # Dashes let a curve shine through that runs below them, as WA and UA do where classes are balanced.
                _curve(axes, curves, column, clock, color, "--" if number % 2 else "-")
            axes.set_title(title)
            axes.set_xlabel(clock)
            axes.legend(
                fontsize=8, loc="upper left", bbox_to_anchor=(0, -0.25), borderaxespad=0, ncols=1 + (len(columns) > 3)
            )
            if clock == "epoch":
                axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if zeros:
            figure.supxlabel(f"0 throughout: {', '.join(zeros)}", x=0, ha="left", fontsize=8, color=MUTED)
        return to_svg(figure, name, f"Learning curves: {', '.join(logged)}")


def _curve(axes: Axes, curves: Sequence[pd.DataFrame], column: str, clock: str, color: str, dashes: str) -> None:
    runs = [
        run.dropna(subset=[column]).groupby(clock)[column].mean() for run in curves if column in run and clock in run
    ]
    table = pd.concat(runs, axis="columns").sort_index()
    # Lightning counts epochs from 0, people from 1.
    table.index += clock == "epoch"
    marker = "o" if len(table) < 2 else ""
    axes.plot(
        table.index, table.mean(axis=1), color=color, label=column, linewidth=1.6, linestyle=dashes, marker=marker
    )
    if table.shape[1] > 1:
        axes.fill_between(table.index, table.min(axis=1), table.max(axis=1), color=color, alpha=0.18, linewidth=0)
