"""Sections of the page about ratings of dimensions and about answers in words."""

from dataclasses import dataclass

import pandas as pd

from lightning_app.report.read.load import Runs
from lightning_app.report.statistics.bootstrap import rating_intervals
from lightning_app.report.statistics.scores import lower_is_better, metrics_of, score_cell, setting_name, summary

EXAMPLES = 5


@dataclass(frozen=True)
class RatingLine:
    """One setting: for each metric its mean over runs as text, and its interval as text, empty without ratings."""

    name: str
    cells: list[tuple[str, str]]
    runs: int
    clips: str


@dataclass(frozen=True)
class RatingTable:
    """The settings that rated the clips of one corpus; ``metrics`` carry an arrow to where they are better."""

    title: str
    metrics: list[str]
    lines: list[RatingLine]


@dataclass(frozen=True)
class TextExamples:
    """The answers in words of one system: their number, and the first ones as clip and text."""

    title: str
    count: int
    examples: list[tuple[str, str]]


def rating_tables(runs: Runs) -> list[RatingTable]:
    """One table for each corpus and label set, in the order of results.csv."""
    tables = []
    for (corpus, label_set), measured in runs.rated.groupby(["corpus", "label_set"], sort=False):
        metrics = metrics_of(measured)
        lower = lower_is_better(measured)
        means = summary(measured, runs.setting)
        lines = [_line(runs, rows, metrics) for _, rows in means.groupby(runs.setting, sort=False)]
        arrows = [f"{metric} {'↓' if metric in lower else '↑'}" for metric in metrics]
        tables.append(RatingTable(f"{corpus} · {label_set}", arrows, lines))
    return tables


def _line(runs: Runs, rows: pd.DataFrame, metrics: list[str]) -> RatingLine:
    setting = {key: str(rows.iloc[0][key]) for key in runs.setting}
    intervals = rating_intervals(runs.ratings_of(setting))
    by_metric = rows.set_index("metric")
    cells = []
    for metric in metrics:
        low, high = intervals.get(metric, (float("nan"), float("nan")))
        interval = ""
        if metric in by_metric.index and not pd.isna(low):
            interval = f"{low:.3f} to {high:.3f}"
        cells.append((score_cell(by_metric, metric), interval))
    name = setting_name(setting, setting["system"], runs.varying)
    return RatingLine(name, cells, int(rows["runs"].max()), str(rows["clips"].iloc[0]))


def text_examples(runs: Runs) -> list[TextExamples]:
    """One part for each system and corpus with answers in words."""
    return [
        TextExamples(
            title=f"{corpus} · {system}",
            count=len(rows),
            examples=list(rows[["id", "text"]].head(EXAMPLES).itertuples(index=False, name=None)),
        )
        for (corpus, system), rows in runs.texts.groupby(["corpus", "system"], sort=False)
    ]
