"""Ratings and answers in words, as tables."""

from argparse import Namespace

import pandas as pd

from lightning_app.commands import report
from lightning_app.report.page.markdown import ratings_markdown
from lightning_app.report.page.ratings_section import rating_tables, text_examples
from lightning_app.report.read.load import load


def test_a_table_of_ratings_has_the_order_and_direction_of_results_csv(rated_runs):
    (table,) = rating_tables(load(rated_runs))
    assert table.metrics == ["CCC valence ↑", "MAE valence ↓", "CCC arousal ↑", "MAE arousal ↓"]
    (line,) = table.lines
    assert (line.name, line.runs) == ("dimensional", 1)
    values = pd.read_csv(rated_runs / "results.csv")["value"]
    assert [value for value, _ in line.cells] == [f"{value:.3f}" for value in values]
    for value, (_, interval) in zip(values, line.cells, strict=True):
        low, high = map(float, interval.split(" to "))
        assert low < value < high


def test_answers_in_words_are_counted_and_some_shown(rated_runs):
    (part,) = text_examples(load(rated_runs))
    assert (part.title, part.count, len(part.examples)) == ("X · answers", 40, 5)
    assert part.examples[0] == ("c0", "Answer <0>.")


def test_ratings_make_a_page_and_markdown(rated_runs, tmp_path, capsys):
    options = Namespace(runs=rated_runs, title=None, out=tmp_path / "page.html", markdown=False, reference=None)
    assert report.run(options) == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "CCC valence ↑" in page
    assert "Answer &lt;0&gt;." in page
    assert 'id="results"' not in page
    assert report.run(Namespace(**{**vars(options), "markdown": True})) == 0
    assert "| X · iemocap4 | CCC valence ↑ |" in capsys.readouterr().out


def test_without_ratings_there_is_none_of_it(model_runs):
    runs = load(model_runs)
    assert (rating_tables(runs), text_examples(runs), ratings_markdown(runs)) == ([], [], "")


def test_ratings_are_missed_where_a_run_has_none(rated_runs, tmp_path):
    table = pd.read_csv(rated_runs / "results.csv")
    table.loc[0, "value"] = None
    table.to_csv(tmp_path / "results.csv", index=False)
    (found,) = rating_tables(load(tmp_path))
    assert found.lines[0].cells[0] == ("missing", "")
    assert found.lines[0].cells[1] == (f"{table['value'][1]:.3f}", "")
