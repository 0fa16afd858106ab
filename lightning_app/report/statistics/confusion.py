"""Confusion matrices: of each system, and of two models side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lightning_app.report.read.load import Runs
from lightning_app.report.statistics.settings import Group, Line


def confusion(predictions: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """Count clips, truth by row and answer by column; anything outside ``labels`` gets a further row or column."""
    counts = pd.crosstab(predictions["truth"], predictions["label"].replace("", "no label"))
    rows = [*labels, *sorted(set(counts.index) - set(labels))]
    columns = [*labels, *sorted(set(counts.columns) - set(labels))]
    return counts.reindex(index=rows, columns=columns, fill_value=0)


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix: ``cells`` has a row for each true class, with pairs of count and share of the row."""

    title: str
    labels: list[str]
    columns: list[str]
    cells: list[list[tuple[int, float]]]
    clips: list[int]

    @property
    def recalls(self) -> list[float]:
        """Recall of each class, NaN for a class without clips."""
        return [
            row[self.columns.index(label)][1] if label in self.columns else float("nan")
            for label, row in zip(self.labels, self.cells, strict=True)
        ]


def matrices(runs: Runs, group: Group) -> list[Matrix]:
    """A confusion matrix for each system's best setting, over all seeds and folds together."""
    tables = [(line.name, runs.predictions_of(line.setting)) for line in group.best_of_systems()]
    return [_matrix(name, confusion(rows, group.labels)) for name, rows in tables if not rows.empty]


def _matrix(title: str, counts: pd.DataFrame) -> Matrix:
    totals = counts.sum(axis=1)
    cells = [
        [(int(n), n / totals[label] if totals[label] else float("nan")) for n in row]
        for label, row in zip(counts.index, counts.to_numpy(), strict=True)
    ]
    return Matrix(title, list(counts.index), list(counts.columns), cells, [int(n) for n in totals])


@dataclass(frozen=True)
class ConfusionPair:
    """Two models on one corpus: shares of each true class, all seeds and folds together.

    Args:
        data: Corpus and label set.
        names: Of the two models.
        shares: Truth by row, answer by column, rows add up to 1 (NaN for a class without clips).
    """

    data: str
    names: tuple[str, str]
    shares: tuple[pd.DataFrame, pd.DataFrame]


def confusion_pairs(runs: Runs, groups: list[Group], reference: str | None = None) -> Iterator[ConfusionPair]:
    """The reference and the best of the other models, by mean UA, on each corpus, label set and compared axis.

    Systems are left out, as the page has a matrix of each. Both models stand in the setting, system included, in which
    the other is best.

    Args:
        runs: What the chain left.
        groups: Its settings by corpus and label set.
        reference: A value of the axis; None, or one that the axis lacks: the first.
    """
    for axis in runs.compared_axes:
        if axis == "system":
            continue
        values = runs.axis_values(axis)
        first = reference if reference in values else values[0]
        for group in groups:
            pairs = []
            for line in group.lines:
                base = _counterpart(group, line, axis, first)
                if base and line.setting[axis] not in ("", first):
                    pairs.append((base, line))
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
