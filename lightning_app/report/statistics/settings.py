"""Settings of a chain by corpus and label set, with their UA."""

from dataclasses import dataclass

import pandas as pd

from lightning_app.report.read.load import Runs
from lightning_app.report.statistics.bootstrap import ua_interval
from lightning_app.report.statistics.scores import chance, score, setting_name, summary


@dataclass(frozen=True)
class Line:
    """One setting: a line of the results table.

    Args:
        setting: Values of the setting's columns.
        name: System and axis values, as plots and headings show them.
        scores: Metric to ``mean ± std``.
        mean: The mean UA, NaN if there is none.
        std: Its standard deviation over runs.
        values: The runs' UA.
        interval: 95 % bootstrap interval of the mean UA; NaN without predictions.
        runs: How many runs have a UA (or the first metric there is).
        missing: How many runs or values are missing.
        clips: Tested per seed.
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
        """The mean UA; settings without one come last."""
        return -1.0 if pd.isna(self.mean) else self.mean


@dataclass(frozen=True)
class Group:
    """The settings tested on one corpus with one set of classes.

    Args:
        corpus: The corpus.
        label_set: The name of the set of classes.
        labels: Its classes.
        support: How many clips of each class were tested; empty without predictions.
        without: The runs that tested no clip of some class, whose UA is over the others.
        chance: Chance levels by metric.
        lines: One for each setting.
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


def settings_by_data(runs: Runs) -> list[Group]:
    """One group for each corpus and label set, in the order of results.csv."""
    if runs.results.empty:
        return []
    table = summary(runs.results, runs.setting)
    made = []
    for (corpus, label_set), rows in table.groupby(["corpus", "label_set"], sort=False):
        predictions = runs.predictions_on(str(corpus), str(label_set))
        lines = [_line(runs, part) for _, part in rows.groupby(runs.setting, sort=False)]
        labels = runs.classes(str(label_set))
        clips = predictions.drop_duplicates("id")["truth"].value_counts()
        support = {str(label): int(count) for label, count in clips.items()}
        without = _without(predictions, labels, runs.axes)
        made.append(Group(str(corpus), str(label_set), labels, support, without, chance(labels, predictions), lines))
    return made


def _without(predictions: pd.DataFrame, labels: list[str], axes: list[str]) -> list[str]:
    keys = ["seed", "fold", *(axis for axis in axes if axis in predictions)]
    sentences = []
    for values, rows in predictions.groupby(keys):
        absent = [label for label in labels if label not in set(rows["truth"])]
        run = ", ".join(f"{key} {value}" for key, value in zip(keys, values, strict=True) if value != "")
        if absent:
            sentences.append(f"{run or 'the run'} has no {', '.join(absent)}")
    return sentences


def _line(runs: Runs, rows: pd.DataFrame) -> Line:
    setting = {key: str(rows.iloc[0][key]) for key in runs.setting}
    is_ua = bool((rows["metric"] == "UA").any())
    main = rows[rows["metric"] == "UA"] if is_ua else rows.iloc[:1]
    same = (runs.results[runs.setting] == [setting[key] for key in runs.setting]).all(axis=1)
    values = runs.results.loc[same & (runs.results["metric"] == "UA"), "value"].dropna()
    return Line(
        setting=setting,
        name=setting_name(setting, setting["system"], runs.varying),
        scores={row["metric"]: score(row["mean"], row["std"], row["missing"]) for row in rows.to_dict("records")},
        mean=float(main["mean"].item()) if is_ua else float("nan"),
        std=float(main["std"].item()) if is_ua else float("nan"),
        values=values.tolist(),
        interval=ua_interval(runs.predictions_of(setting)),
        runs=int(main["runs"].item()),
        missing=int(main["missing"].item()),
        clips=str(main["clips"].item()),
    )
