"""Comparisons of models as GitHub tables, and the numbers of their tests as text."""

import numpy as np

from lightning_app.report.page.tables import NOTHING, markdown_row
from lightning_app.report.statistics.compare import Comparison, Contrast
from lightning_app.report.statistics.paired import Paired

LEGEND = (
    "\\* differs from the reference at p < 0.05 in both paired tests over trials (over runs where there are none); "
    "† in the t-test over seeds. p-values are two-sided and corrected by Holm over the table. Trials drawn from "
    "one test set depend on each other, so p-values over them are too small; the seeds show what training anew changes."
)


def comparisons_markdown(comparisons: list[Comparison]) -> str:
    """Each comparison as a table of means and one of tests, and a legend; empty without comparisons."""
    if not comparisons:
        return ""
    parts = [part for comparison in comparisons for part in (_means(comparison), _tests(comparison)) if part]
    tested = any(comparison.contrasts for comparison in comparisons)
    return "\n\n".join([*parts, LEGEND if tested else 'Paired tests need scipy: pip install "emoclap[report]"'])


def heading(comparison: Comparison) -> str:
    """Corpus, label set, system, and what the deviations are over."""
    over = "trials of one run" if comparison.over_trials else "runs"
    return " · ".join([comparison.place, *([comparison.name] if comparison.name else []), f"mean ± std over {over}"])


def p_text(p: float) -> str:
    """`0.012`, `< 0.001`, or a dash for a test that could not be made."""
    if np.isnan(p):
        return NOTHING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def difference_text(found: Paired, digits: int) -> str:
    """`+0.060 [0.041, 0.078]`: mean difference and its 95 % interval."""
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
    lines = [
        markdown_row([comparison.axis, *comparison.values]),
        markdown_row(["---", *["---:"] * len(comparison.values)]),
    ]
    for row in comparison.rows:
        cells = [
            (f"**{cell}**" if place == row.best else cell) + (f" {mark}".replace("*", "\\*") if mark else "")
            for place, (cell, mark) in enumerate(zip(row.cells, row.marks, strict=True))
        ]
        lines.append(markdown_row([f"{row.metric} {row.arrow}", *cells]))
    return "\n".join([heading(comparison), "", *lines])


def _tests(comparison: Comparison) -> str:
    if not comparison.contrasts:
        return ""
    digits = {row.metric: row.digits for row in comparison.rows}
    header = ["metric", f"against {comparison.reference}", *TEST_HEADER]
    lines = [markdown_row(header), markdown_row(["---", "---", *["---:"] * len(TEST_HEADER)])]
    lines += [
        markdown_row([contrast.metric, contrast.value, *contrast_cells(contrast, digits[contrast.metric])])
        for contrast in comparison.contrasts
    ]
    return "\n".join(lines)
