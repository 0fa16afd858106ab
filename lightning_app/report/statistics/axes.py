"""Scores along the axes of a chain's matrix."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from lightning_app.report.read.load import Runs, is_number
from lightning_app.report.statistics.scores import (
    lower_is_better,
    metrics_of,
    number_first,
    score_cell,
    setting_name,
    summary,
)

PANELS = 6


@dataclass(frozen=True)
class AxisTable:
    """The UA with the values of one axis side by side; rows differ in everything else."""

    axis: str
    values: list[str]
    rows: list[tuple[str, str, list[str], int]]  # corpus and label set, name, scores, index of the best one (-1: none)


def axis_tables(runs: Runs) -> Iterator[tuple[AxisTable, pd.DataFrame]]:
    """The table of each axis with several values, and the same as a frame for ``axis_plot``."""
    if runs.results.empty:
        return
    table = summary(runs.results, runs.setting)
    ua = table[table["metric"] == "UA"]
    for axis in runs.varying:
        rest = [other for other in runs.varying if other != axis]
        points = ua[ua[axis] != ""].copy()
        values = sorted(points[axis].unique(), key=number_first)
        points["series"] = [setting_name(row, row["system"], rest) for _, row in points.iterrows()]
        rows = []
        for (corpus, label_set, series), part in points.groupby(["corpus", "label_set", "series"], sort=False):
            by_value = part.set_index(axis)
            scores = [score_cell(by_value, value) for value in values]
            best = values.index(by_value["mean"].idxmax()) if by_value["mean"].notna().any() else -1
            rows.append((f"{corpus} · {label_set}", str(series), scores, best))
        yield AxisTable(axis, values, rows), points


def drawable(values: list[str]) -> bool:
    """Whether an axis can be drawn as a line: three values or more, all of them numbers."""
    return len(values) > 2 and all(map(is_number, values))


@dataclass(frozen=True)
class Grid:
    """Mean of ``metric`` by value of ``across`` (columns) and ``down`` (rows), over everything else that varies."""

    across: str
    down: str
    metric: str
    higher: bool
    panels: list[tuple[str, pd.DataFrame]]
    left_out: int


def grids(runs: Runs) -> Iterator[Grid]:
    """The UA, or the first metric there is, over each pair of axes that both vary and have numbers as values.

    A panel for each corpus, label set, system and value of the axes with words: the first ``PANELS`` of them.
    """
    table = next((kind for kind in (runs.results, runs.rated, runs.shared) if not kind.empty), runs.measured)
    metric = metrics_of(table)[0]
    higher = metric not in lower_is_better(table)
    rows = table[table["metric"] == metric]
    numeric = [axis for axis in runs.varying if all(is_number(value) for value in rows[axis].unique() if value)]
    worded = [axis for axis in runs.varying if axis not in numeric]
    for down, across in combinations(numeric, 2):
        panels = []
        for key, part in rows.groupby(["corpus", "label_set", "system", *worded], sort=False):
            grid = part[(part[down] != "") & (part[across] != "")].pivot_table("value", down, across)
            if min(grid.shape) > 1:
                grid = grid.loc[sorted(grid.index, key=float), sorted(grid.columns, key=float)]
                panels.append((" · ".join(word for word in map(str, key) if word), grid))
        if panels:
            yield Grid(across, down, metric, higher, panels[:PANELS], max(0, len(panels) - PANELS))
