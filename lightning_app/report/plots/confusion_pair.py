"""What two models confuse, side by side, and where they differ."""

from collections.abc import Iterator
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from lightning_app.report.page.sections import Group, Line
from lightning_app.report.plots.svg import WIDTH, page_style, to_svg
from lightning_app.report.read.load import Runs
from lightning_app.report.statistics.compare import axis_values, compared_axes
from lightning_app.report.statistics.scores import confusion


@dataclass(frozen=True)
class ConfusionPair:
    """Two models on one corpus: shares of each true class, all seeds and folds together.

    Args:
        place: corpus and label set.
        names: of the two models.
        shares: truth by row, answer by column, rows add up to 1 (NaN for a class without clips).
    """

    place: str
    names: tuple[str, str]
    shares: tuple[pd.DataFrame, pd.DataFrame]


def confusion_pairs(runs: Runs, groups: list[Group], reference: str | None = None) -> Iterator[ConfusionPair]:
    """For each corpus, label set and compared axis: the reference against the best of the other models, by mean UA.

    Systems are left out, as the page has a matrix of each. Both models stand in the setting, system included, in which
    the other is best.

    Args:
        runs: what the chain left.
        groups: its settings by corpus and label set.
        reference: a value of the axis; None, or one that the axis lacks: the first.
    """
    for axis in compared_axes(runs):
        if axis == "system":
            continue
        values = axis_values(runs, axis)
        first = reference if reference in values else values[0]
        for group in groups:
            others = [line for line in group.lines if line.setting[axis] not in ("", first)]
            pairs = [(base, line) for line in others if (base := _counterpart(group, line, axis, first))]
            if not pairs:
                continue
            base, best = max(pairs, key=lambda pair: pair[1].sort_key())
            tables = [runs.predictions_of(line.setting) for line in (base, best)]
            if not any(table.empty for table in tables):
                shares = [_shares(table, group.labels) for table in tables]
                yield ConfusionPair(
                    f"{group.corpus} · {group.label_set}", (base.name, best.name), (shares[0], shares[1])
                )


def _counterpart(group: Group, line: Line, axis: str, value: str) -> Line | None:
    wanted = line.setting | {axis: value}
    return next((other for other in group.lines if other.setting == wanted), None)


def _shares(predictions: pd.DataFrame, labels: list[str]) -> pd.DataFrame:
    counts = confusion(predictions, labels)
    counts = counts.reindex(columns=labels).assign(**{"none of these": counts.drop(columns=labels).sum(axis=1)})
    if not counts["none of these"].any():
        counts = counts[labels]
    return counts.div(counts.sum(axis=1).replace(0, np.nan), axis=0)


def confusion_pair_plot(pair: ConfusionPair, name: str) -> str:
    """Both matrices, and the second minus the first."""
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
        try:
            return to_svg(figure, name, f"Confusions of {pair.names[0]} and {pair.names[1]} on {pair.place}")
        finally:
            plt.close(figure)


def _matrix(axes: Axes, table: pd.DataFrame, colors: str, bounds: tuple[float, float], form: str) -> None:
    cells = table.to_numpy()
    mesh = axes.pcolormesh(cells, cmap=colors, vmin=bounds[0], vmax=bounds[1])
    for (row, column), value in np.ndenumerate(cells):
        if not np.isnan(value):
            red, green, blue, _ = mesh.cmap(mesh.norm(value))
            light = 0.3 * red + 0.59 * green + 0.11 * blue > 0.55
            axes.text(
                column + 0.5, row + 0.5, form.format(value).replace("0.", ".", 1), ha="center", va="center",
                fontsize=7.5, color="#000000" if light else "#ffffff",
            )  # fmt: skip
    axes.set_xticks(np.arange(cells.shape[1]) + 0.5, list(table.columns), rotation=40, ha="right")
    axes.set_yticks(np.arange(cells.shape[0]) + 0.5, list(table.index))
    axes.set_ylim(len(cells), 0)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
