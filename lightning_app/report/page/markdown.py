"""The tables of a report as GitHub Markdown, and the numbers of paired tests as text."""

import numpy as np
import pandas as pd

from lightning_app.report.page.ratings_section import RatingTable, rating_tables
from lightning_app.report.read.load import Runs
from lightning_app.report.statistics.compare import Comparison, Contrast
from lightning_app.report.statistics.paired import Paired
from lightning_app.report.statistics.scores import NOTHING, chance, metrics_of, score_cell, summary

LEGEND = (
    "\\* differs from the reference at p < 0.05 in both paired tests over trials (over runs where there are none); "
    "† in the t-test over seeds. p-values are two-sided and corrected by Holm over the table. Trials drawn from "
    "one test set depend on each other, so p-values over them are too small; the seeds show what training anew changes."
)


def results_markdown(runs: Runs) -> str:
    """The main results of a chain: a row for each setting, chance below each corpus; empty without results."""
    if runs.results.empty:
        return ""
    metrics = metrics_of(runs.results)
    header = ["corpus", "label_set", "system", *runs.varying, *metrics, "runs", "clips"]
    lines = _header(header, words=3 + len(runs.varying))
    for (corpus, label_set), group in summary(runs.results, runs.setting).groupby(["corpus", "label_set"], sort=False):
        for _, rows in group.groupby(runs.setting, sort=False):
            first = rows.iloc[0]
            by_metric = rows.set_index("metric")
            axes = [first[axis] or NOTHING for axis in runs.varying]
            scores = [score_cell(by_metric, metric) for metric in metrics]
            counts = [str(rows["runs"].max()), first["clips"]]
            lines.append(_row([str(corpus), str(label_set), first["system"], *axes, *scores, *counts]))
        levels = chance(runs.classes(str(label_set)), runs.predictions_on(str(corpus), str(label_set)))
        known = {metric: f"{level:.3f}" for metric, level in levels.items() if not pd.isna(level)}
        guesses = [known.get(metric, NOTHING) for metric in metrics]
        axes = [NOTHING] * len(runs.varying)
        lines.append(_row([str(corpus), str(label_set), "*chance*", *axes, *guesses, NOTHING, NOTHING]))
    return "\n".join(lines)


def ratings_markdown(runs: Runs) -> str:
    """The tables of ratings for GitHub; empty without any."""
    return "\n\n".join(_ratings(table) for table in rating_tables(runs))


def _ratings(table: RatingTable) -> str:
    lines = _header([table.title, *table.metrics, "runs", "clips"])
    for line in table.lines:
        cells = [f"{value} [{interval}]" if interval else value for value, interval in line.cells]
        lines.append(_row([line.name, *cells, str(line.runs), line.clips]))
    return "\n".join(lines)


def comparisons_markdown(comparisons: list[Comparison]) -> str:
    """Each comparison as a table of means and one of tests, and a legend; empty without comparisons."""
    if not comparisons:
        return ""
    parts = []
    for comparison in comparisons:
        parts.append(_means(comparison))
        if comparison.contrasts:
            parts.append(_tests(comparison))
    tested = any(comparison.contrasts for comparison in comparisons)
    parts.append(LEGEND if tested else 'Paired tests need scipy: pip install "emoclap[report]"')
    return "\n\n".join(parts)


def heading(comparison: Comparison) -> str:
    """Corpus, label set, system, and what the deviations are over."""
    over = "trials of one run" if comparison.over_trials else "runs"
    words = [comparison.data, comparison.name, f"mean ± std over {over}"]
    return " · ".join(word for word in words if word)


def p_text(p: float) -> str:
    """``0.012``, ``< 0.001``, or a dash for a test that could not be made."""
    if np.isnan(p):
        return NOTHING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def difference_text(found: Paired, digits: int) -> str:
    """``+0.060 [0.041, 0.078]``: mean difference and its 95 % interval."""
    if not found.n:
        return NOTHING
    text = f"{found.difference:+.{digits}f}"
    return text if np.isnan(found.low) else f"{text} [{found.low:.{digits}f}, {found.high:.{digits}f}]"


def contrast_cells(contrast: Contrast, digits: int) -> list[str]:
    """Difference over units, their number, both p-values; then difference over seeds, their number and p-value."""
    return [
        difference_text(contrast.units, digits),
        str(contrast.units.n),
        p_text(contrast.p_t),
        p_text(contrast.p_wilcoxon),
        difference_text(contrast.seeds, digits),
        str(contrast.seeds.n),
        p_text(contrast.p_seeds),
    ]


TEST_HEADER = ("difference [95 %]", "n", "p (t)", "p (Wilcoxon)", "over seeds [95 %]", "seeds", "p (t)")


def _means(comparison: Comparison) -> str:
    lines = _header([comparison.axis, *comparison.values])
    for row in comparison.rows:
        cells = list(row.cells)
        if row.best >= 0:
            cells[row.best] = f"**{cells[row.best]}**"
        for column, mark in enumerate(row.marks):
            if mark:
                cells[column] += f" {mark}".replace("*", "\\*")
        lines.append(_row([f"{row.metric} {row.arrow}", *cells]))
    return "\n".join([heading(comparison), "", *lines])


def _tests(comparison: Comparison) -> str:
    digits = {row.metric: row.digits for row in comparison.rows}
    lines = _header(["metric", f"against {comparison.reference}", *TEST_HEADER], words=2)
    lines += [
        _row([contrast.metric, contrast.value, *contrast_cells(contrast, digits[contrast.metric])])
        for contrast in comparison.contrasts
    ]
    return "\n".join(lines)


def _header(cells: list[str], words: int = 1) -> list[str]:
    """The first two lines of a table: the first ``words`` columns are text, the others numbers."""
    return [_row(cells), _row(["---"] * words + ["---:"] * (len(cells) - words))]


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
