"""The tables of a report as GitHub Markdown."""

import pandas as pd

from lightning_app.report.page.markdown import comparisons_markdown, p_text, results_markdown
from lightning_app.report.read.load import load
from lightning_app.report.statistics.compare import comparisons


def test_markdown_has_a_line_for_each_setting_and_one_for_chance(small_runs):
    lines = results_markdown(load(small_runs)).splitlines()
    table = pd.read_csv(small_runs / "results.csv")
    assert len(lines) == 2 + 4 * 3 + 1
    assert len({line.count("|") for line in lines}) == 1
    rows = table[(table["system"] == "zero-shot") & (table["prompt_length"] == 4) & (table["metric"] == "UA")]["value"]
    assert f"| zero-shot | 4 | {rows.mean():.3f} ± {rows.std():.3f} |" in lines[2]
    assert "| *chance* |" in lines[-1]
    assert "| 0.143 |" in lines[-1]


def test_markdown(model_runs):
    lines = comparisons_markdown(comparisons(load(model_runs))).splitlines()
    assert "| model | untrained | clap_sce | emotionrankclap |" in lines
    row = next(line for line in lines if line.startswith("| MMD ↓"))
    assert row.count("**") == 2
    assert "\\*" in row
    assert any(line.startswith("| metric | against untrained | difference") for line in lines)
    assert any(line.startswith("| VOC | clap_sce | +0.3") for line in lines)
    untested = comparisons_markdown(comparisons(load(model_runs), tests=False))
    assert "against" not in untested
    assert "emoclap[report]" in untested
    assert comparisons_markdown([]) == ""
    assert (p_text(0.0004), p_text(0.0123), p_text(float("nan"))) == ("< 0.001", "0.012", "\N{EN DASH}")
