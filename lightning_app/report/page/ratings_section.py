"""The parts of the page about ratings of dimensions, and about answers in words."""

from dataclasses import dataclass

import pandas as pd

from lightning_app.report.page.tables import NOTHING, lower_is_better, markdown_row, metrics_of, score, summary, varying
from lightning_app.report.read.load import Runs
from lightning_app.report.statistics.bootstrap import rating_intervals

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
    """The settings that rated the clips of one corpus; `metrics` carry an arrow to where they are better."""

    title: str
    metrics: list[str]
    lines: list[RatingLine]


@dataclass(frozen=True)
class TextExamples:
    """What one system answered in words: how many answers there are, and the first ones as clip and text."""

    title: str
    count: int
    examples: list[tuple[str, str]]


def rating_tables(runs: Runs) -> list[RatingTable]:
    """One table for each corpus and label set, in the order of results.csv."""
    tables = []
    for (corpus, label_set), measured in runs.rated.groupby(["corpus", "label_set"], sort=False):
        metrics, lower = metrics_of(measured), lower_is_better(measured)
        means = summary(measured, runs.setting)
        lines = [_line(runs, rows, metrics) for _, rows in means.groupby(runs.setting, sort=False)]
        arrows = [f"{metric} {'↓' if metric in lower else '↑'}" for metric in metrics]
        tables.append(RatingTable(f"{corpus} · {label_set}", arrows, lines))
    return tables


def _line(runs: Runs, rows: pd.DataFrame, metrics: list[str]) -> RatingLine:
    setting = {key: str(rows.iloc[0][key]) for key in runs.setting}
    shown = [f"{axis} {setting[axis]}" for axis in varying(runs) if setting[axis]]
    intervals = rating_intervals(runs.ratings_of(setting))
    by_metric = rows.set_index("metric")
    cells = []
    for metric in metrics:
        if metric not in by_metric.index:
            cells.append((NOTHING, ""))
            continue
        low, high = intervals.get(metric, (float("nan"), float("nan")))
        interval = "" if pd.isna(low) else f"{low:.3f} to {high:.3f}"
        cells.append((score(*by_metric.loc[metric, ["mean", "std", "missing"]]), interval))
    name = " · ".join([setting["system"], *shown])
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


def ratings_markdown(runs: Runs) -> str:
    """The tables of ratings for GitHub; empty without any."""
    return "\n\n".join(_markdown(table) for table in rating_tables(runs))


def _markdown(table: RatingTable) -> str:
    lines = [
        markdown_row([table.title, *table.metrics, "runs", "clips"]),
        markdown_row(["---", *["---:"] * (len(table.metrics) + 2)]),
    ]
    for line in table.lines:
        cells = [f"{value} [{interval}]" if interval else value for value, interval in line.cells]
        lines.append(markdown_row([line.name, *cells, str(line.runs), line.clips]))
    return "\n".join(lines)
