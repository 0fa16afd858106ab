"""What the sections of the page show, as plain values for the template."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from lightning_app.report.page.tables import NOTHING, number_first, score, summary, varying
from lightning_app.report.read.load import Runs
from lightning_app.report.statistics.bootstrap import ua_interval
from lightning_app.report.statistics.scores import chance, confusion


@dataclass(frozen=True)
class Line:
    """One setting's line in the results table.

    Args:
        setting: values of the setting's columns.
        name: system and axis values, as plots and headings call it.
        scores: metric to `mean ± std`.
        mean: the mean UA, NaN if there is none.
        std: its standard deviation over runs.
        values: the runs' UA.
        interval: 95 % bootstrap interval of the mean UA; NaN without predictions.
        runs: how many runs have a UA (or the first metric there is).
        missing: how many runs or values are missing.
        clips: tested per seed.
    """

    setting: dict[str, str]
    name: str
    scores: dict[str, str]
    mean: float
    std: float
    values: list[float]
    interval: tuple[float, float]
    runs: int
    missing: int
    clips: str

    def sort_key(self) -> float:
        """Higher is better; no UA comes last."""
        return -1.0 if pd.isna(self.mean) else self.mean


@dataclass(frozen=True)
class Group:
    """The settings tested on one corpus with one set of classes.

    Args:
        corpus: the corpus.
        label_set: the name of the set of classes.
        labels: its classes.
        support: how many clips of each class were tested; empty without predictions.
        without: the runs that tested no clip of some class, whose UA is over the others.
        chance: chance levels by metric.
        lines: one for each setting.
    """

    corpus: str
    label_set: str
    labels: list[str]
    support: dict[str, int]
    without: list[str]
    chance: dict[str, float]
    lines: list[Line]

    @property
    def best(self) -> Line:
        """The setting with the highest mean UA."""
        return max(self.lines, key=Line.sort_key)

    def best_of_systems(self) -> list[Line]:
        """Each system's setting with the highest mean UA."""
        names = dict.fromkeys(line.setting["system"] for line in self.lines)
        return [
            max((line for line in self.lines if line.setting["system"] == name), key=Line.sort_key) for name in names
        ]


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix: `cells` holds, truth by row, pairs of count and share of the row."""

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


def groups(runs: Runs) -> list[Group]:
    """One group for each corpus and label set, in the order of results.csv."""
    if runs.results.empty:
        return []
    table = summary(runs.results, runs.setting)
    made = []
    for (corpus, label_set), rows in table.groupby(["corpus", "label_set"], sort=False):
        own = runs.predictions[(runs.predictions["corpus"] == corpus) & (runs.predictions["label_set"] == label_set)]
        lines = [_line(runs, part) for _, part in rows.groupby(runs.setting, sort=False)]
        labels = runs.classes(str(label_set))
        clips = own.drop_duplicates("id")["truth"].value_counts()
        support = {str(label): int(count) for label, count in clips.items()}
        without = _without(own, labels, runs.axes)
        made.append(Group(str(corpus), str(label_set), labels, support, without, chance(labels, own), lines))
    return made


def _without(predictions: pd.DataFrame, labels: list[str], axes: list[str]) -> list[str]:
    keys = ["seed", "fold", *(axis for axis in axes if axis in predictions)]
    said = []
    for values, rows in predictions.groupby(keys):
        absent = [label for label in labels if label not in set(rows["truth"])]
        place = ", ".join(f"{key} {value}" for key, value in zip(keys, values, strict=True) if value != "")
        said += [f"{place or 'the run'} has no {', '.join(absent)}"] if absent else []
    return said


def _line(runs: Runs, rows: pd.DataFrame) -> Line:
    setting = {key: str(rows.iloc[0][key]) for key in runs.setting}
    shown = [f"{axis} {setting[axis]}" for axis in varying(runs) if setting[axis]]
    main = rows[rows["metric"] == "UA"] if (rows["metric"] == "UA").any() else rows.iloc[:1]
    is_ua = main["metric"].item() == "UA"
    same = (runs.results[runs.setting] == [setting[key] for key in runs.setting]).all(axis=1)
    values = runs.results.loc[same & (runs.results["metric"] == "UA"), "value"].dropna()
    return Line(
        setting=setting,
        name=" · ".join([setting["system"], *shown]),
        scores={row["metric"]: score(row["mean"], row["std"], row["missing"]) for row in rows.to_dict("records")},
        mean=float(main["mean"].item()) if is_ua else float("nan"),
        std=float(main["std"].item()) if is_ua else float("nan"),
        values=values.tolist(),
        interval=ua_interval(runs.predictions_of(setting)),
        runs=int(main["runs"].item()),
        missing=int(main["missing"].item()),
        clips=str(main["clips"].item()),
    )


def matrices(runs: Runs, group: Group) -> list[Matrix]:
    """A confusion matrix for each system's best setting, over all seeds and folds together."""
    made = []
    for line in group.best_of_systems():
        rows = runs.predictions_of(line.setting)
        if not rows.empty:
            made.append(_matrix(line.name, confusion(rows, group.labels)))
    return made


def _matrix(title: str, counts: pd.DataFrame) -> Matrix:
    totals = counts.sum(axis=1)
    cells = [
        [(int(n), n / totals[label] if totals[label] else float("nan")) for n in row]
        for label, row in zip(counts.index, counts.to_numpy(), strict=True)
    ]
    return Matrix(title, list(counts.index), list(counts.columns), cells, [int(n) for n in totals])


@dataclass(frozen=True)
class AxisTable:
    """UA with one axis's values side by side; everything else that differs is told by row."""

    axis: str
    values: list[str]
    rows: list[tuple[str, str, list[str], int]]  # corpus and label set, name, scores, place of the best one


def axis_tables(runs: Runs) -> Iterator[tuple[AxisTable, pd.DataFrame]]:
    """For each axis with several values: its table, and the same as a frame for `axis_plot`."""
    if runs.results.empty:
        return
    table = summary(runs.results, runs.setting)
    ua = table[table["metric"] == "UA"]
    for axis in varying(runs):
        rest = [other for other in varying(runs) if other != axis]
        points = ua[ua[axis] != ""].copy()
        values = sorted(points[axis].unique(), key=number_first)
        points["series"] = [
            " · ".join([row["system"], *(f"{other} {row[other]}" for other in rest if row[other])])
            for row in points.to_dict("records")
        ]
        rows = []
        for (corpus, label_set, series), part in points.groupby(["corpus", "label_set", "series"], sort=False):
            by_value = part.set_index(axis)
            scores = [
                score(*by_value.loc[value, ["mean", "std", "missing"]]) if value in by_value.index else NOTHING
                for value in values
            ]
            best = values.index(by_value["mean"].idxmax()) if by_value["mean"].notna().any() else -1
            rows.append((f"{corpus} · {label_set}", str(series), scores, best))
        yield AxisTable(axis, values, rows), points


def numeric(values: list[str]) -> bool:
    """Whether an axis can be drawn as a line: three values or more, all of them numbers."""
    return len(values) > 2 and all(number_first(value)[0] == 0 for value in values)
