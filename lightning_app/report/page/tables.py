"""results.csv as tables: mean and standard deviation over seeds and folds, beside chance."""

import numpy as np
import pandas as pd

from lightning_app.report.read.load import Runs
from lightning_app.report.statistics.scores import chance

NOTHING = "\N{EN DASH}"  # in a cell for which there is no number
_AS_FOUND = ("corpus", "label_set", "system")


def summary(results: pd.DataFrame, setting: list[str]) -> pd.DataFrame:
    """One row for each setting and metric: corpora and systems in the order of results.csv, axes by value.

    Returns:
        Columns of `setting`, `metric`, and: `mean` and `std` (n - 1 in the denominator; NaN for one run) over the
        finite values, `runs` (how many those are), `missing` (NaN values, and runs that other settings of the corpus
        and label set have), `clips` (tested per seed, all folds together: "535", or "530-535" where seeds differ).
    """
    keys = [*setting, "metric"]
    values = results.groupby(keys, sort=False)["value"].agg(["mean", "std", "count"]).rename(columns={"count": "runs"})
    values["clips"] = results.groupby(keys, sort=False)[["seed", "n"]].apply(_clips)
    table = values.reset_index()
    table["missing"] = _expected(results, keys) - table["runs"]
    return _in_order(table, setting)


def _in_order(table: pd.DataFrame, setting: list[str]) -> pd.DataFrame:
    """Corpora, label sets and systems as they come, the values of an axis from small to large."""
    places = {
        key: {
            value: place for place, value in enumerate(values if key in _AS_FOUND else sorted(values, key=number_first))
        }
        for key, values in ((key, table[key].unique()) for key in setting)
    }
    ranks = pd.DataFrame({key: table[key].map(places[key]) for key in (*_AS_FOUND, *setting)})
    return table.loc[ranks.sort_values(list(ranks.columns), kind="stable").index].reset_index(drop=True)


def number_first(value: str) -> tuple[int, float, str]:
    """Sorts numbers by size, before words by alphabet."""
    try:
        return 0, float(value), value
    except ValueError:
        return 1, 0.0, value


def _clips(rows: pd.DataFrame) -> str:
    totals = rows.groupby("seed")["n"].sum(min_count=1).dropna().astype(int)
    if totals.empty:
        return "unknown"
    return f"{totals.min()}" if totals.nunique() == 1 else f"{totals.min()}-{totals.max()}"


def _expected(results: pd.DataFrame, keys: list[str]) -> "pd.Series[int]":
    """How many runs each setting should have: as many as others of its corpus and label set."""
    used = results.assign(seeded=results["seed"] != "", folded=results["fold"] != "")
    kind = ["corpus", "label_set", "seeded", "folded"]
    pairs = used.drop_duplicates([*kind, "seed", "fold"]).groupby(kind).size().rename("expected").reset_index()
    first = used.drop_duplicates(keys).merge(pairs, on=kind, how="left")
    return first["expected"].astype(int)


def metrics_of(results: pd.DataFrame) -> list[str]:
    """The metrics of results.csv, in its order."""
    return [str(name) for name in results["metric"].unique()]


def lower_is_better(results: pd.DataFrame) -> set[str]:
    """The metrics of which results.csv says so."""
    return set(results.loc[results["better"] == "lower", "metric"])


def varying(runs: Runs) -> list[str]:
    """The axes that have more than one value, apart from "not applicable" (empty)."""
    table = runs.measured
    return [axis for axis in runs.axes if table.loc[table[axis] != "", axis].nunique() > 1]


def score(mean: float, std: float, missing: int = 0, digits: int = 3) -> str:
    """A value as people read it: `0.684 ± 0.041`, `0.684` for one run, `missing`, with the count of missing runs."""
    if np.isnan(mean):
        return "missing"
    text = f"{mean:.{digits}f}" if np.isnan(std) else f"{mean:.{digits}f} ± {std:.{digits}f}"
    return f"{text} ({missing} missing)" if missing else text


def markdown_table(runs: Runs) -> str:
    """The main results of a chain as a GitHub table: one row for each setting, chance below each corpus."""
    if runs.results.empty:
        return ""
    metrics, axes = metrics_of(runs.results), varying(runs)
    header = ["corpus", "label_set", "system", *axes, *metrics, "runs", "clips"]
    lines = [markdown_row(header), markdown_row(["---"] * (3 + len(axes)) + ["---:"] * (len(metrics) + 2))]
    for (corpus, label_set), group in summary(runs.results, runs.setting).groupby(["corpus", "label_set"], sort=False):
        for _, rows in group.groupby(runs.setting, sort=False):
            first, by_metric = rows.iloc[0], rows.set_index("metric")
            scores = [
                score(*by_metric.loc[metric, ["mean", "std", "missing"]]) if metric in by_metric.index else NOTHING
                for metric in metrics
            ]
            cells = [corpus, label_set, first["system"], *(first[axis] or NOTHING for axis in axes)]
            lines.append(markdown_row([*cells, *scores, str(rows["runs"].max()), first["clips"]]))
        rows = runs.predictions[(runs.predictions["corpus"] == corpus) & (runs.predictions["label_set"] == label_set)]
        levels = chance(runs.classes(str(label_set)), rows)
        guesses = [
            NOTHING if pd.isna(levels.get(metric, float("nan"))) else f"{levels[metric]:.3f}" for metric in metrics
        ]
        lines.append(
            markdown_row([str(corpus), str(label_set), "*chance*", *[NOTHING] * len(axes), *guesses, NOTHING, NOTHING])
        )
    return "\n".join(lines)


def markdown_row(cells: list[str]) -> str:
    """A row of a GitHub table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
