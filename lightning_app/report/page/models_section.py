"""Section of the page with models side by side: tables, tests, plots and numbers in print."""

from dataclasses import dataclass
from typing import Any, TextIO

from markupsafe import Markup

from lightning_app.report.page.markdown import TEST_HEADER, contrast_cells
from lightning_app.report.plots.matrices import confusion_pair_plot, heat_plot
from lightning_app.report.plots.space import clouds_plot, similarity_plot
from lightning_app.report.read.load import Runs
from lightning_app.report.read.reference import (
    Printed,
    comparable_in_space,
    metrics_in_print,
    printed,
    printed_of_space,
)
from lightning_app.report.read.space import spaces
from lightning_app.report.statistics.axes import grids
from lightning_app.report.statistics.compare import Comparison, comparisons
from lightning_app.report.statistics.confusion import confusion_pairs
from lightning_app.report.statistics.scores import NOTHING, metrics_of, score_cell, setting_name, summary
from lightning_app.report.statistics.settings import Group

OPEN = 4  # comparisons shown at once; the further ones unfold


@dataclass(frozen=True)
class PrintedPart:
    """Our numbers and those in print for one corpus: each row is name, paper, table, scores and note."""

    title: str
    metrics: list[str]
    ours: list[tuple[str, list[str], str]]
    rows: list[tuple[Printed, list[str]]]


def models_context(runs: Runs, groups: list[Group], reference: str | None, progress: TextIO) -> dict[str, Any]:
    """Values for the template; plots only where their data exist.

    Raises:
        ConfigError: ``reference`` is the value of no compared axis.
        DataError: Embeddings or trials cannot be read.
    """
    print("report: comparison of models", file=progress, flush=True)
    made = comparisons(runs, reference)
    pairs = list(confusion_pairs(runs, groups, reference))
    spaces_of_stages = spaces(runs)
    drawn = [
        (stage.stage, similarity_plot(stage, f"similar{i}"), clouds_plot(stage, f"cloud{i}"))
        for i, stage in enumerate(spaces_of_stages)
    ]
    return {
        "comparisons": made[:OPEN],
        "further_comparisons": made[OPEN:],
        "test_header": TEST_HEADER,
        "contrast_rows": _contrast_rows,
        "confusion_pairs": [(pair, Markup(confusion_pair_plot(pair, f"pair{i}"))) for i, pair in enumerate(pairs)],
        "heat_maps": [(grid, Markup(heat_plot(grid, f"heat{i}"))) for i, grid in enumerate(grids(runs))],
        "similarities": [(stage, Markup(svg)) for stage, svg, _ in drawn if svg],
        "clouds": [(stage, Markup(svg)) for stage, _, svg in drawn if svg],
        "printed_parts": [*_recognition_in_print(groups), *_space_in_print(runs)],
    }


def _contrast_rows(comparison: Comparison) -> list[tuple[str, str, list[str]]]:
    digits = {row.metric: row.digits for row in comparison.rows}
    return [
        (contrast.metric, contrast.value, contrast_cells(contrast, digits[contrast.metric]))
        for contrast in comparison.contrasts
    ]


def _recognition_in_print(groups: list[Group]) -> list[PrintedPart]:
    parts = []
    for group in groups:
        rows = printed(group.corpus, group.labels)
        if rows:
            metrics = metrics_in_print(rows)
            ours = [group.best.scores.get(metric, NOTHING) for metric in metrics]
            title = f"{group.corpus} · {group.label_set}"
            parts.append(_part(title, metrics, [(group.best.name, ours, f"{group.best.runs} runs")], rows))
    return parts


def _space_in_print(runs: Runs) -> list[PrintedPart]:
    """Every model's shared space beside the printed ones, in the printed metrics and those comparable with them."""
    parts = []
    for (system, corpus), part in runs.shared.groupby(["system", "corpus"], sort=False):
        rows = printed_of_space(str(corpus))
        if not rows:
            continue
        metrics = metrics_in_print(rows)
        metrics += [metric for metric in metrics_of(part) if metric in comparable_in_space()]
        ours = []
        for setting, means in summary(part, runs.setting).groupby(runs.setting, sort=False):
            at = dict(zip(runs.setting, map(str, setting), strict=True))
            name = setting_name(at, "", runs.varying) or str(system)
            by_metric = means.set_index("metric")
            cells = [score_cell(by_metric, metric) for metric in metrics]
            ours.append((name, cells, f"{means['runs'].max()} runs"))
        parts.append(_part(f"{corpus} · {system}", metrics, ours, rows))
    return parts


def _part(title: str, metrics: list[str], ours: list[tuple[str, list[str], str]], rows: list[Printed]) -> PrintedPart:
    return PrintedPart(title, metrics, ours, [(row, [_cell(row, metric) for metric in metrics]) for row in rows])


def _cell(row: Printed, metric: str) -> str:
    if metric not in row.scores:
        return NOTHING
    value = f"{row.scores[metric]:.4f}"
    if metric not in row.deviations:
        return value
    return f"{value.removesuffix('0')} ± {row.deviations[metric]:g}"
