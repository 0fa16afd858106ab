"""Scores: means over seeds and folds from results.csv, and accuracies recomputed from predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lightning_app.report.read.load import Runs

TOLERANCE = 1e-6
NOTHING = "\N{EN DASH}"  # in a cell for which there is no number
_AS_FOUND = ("corpus", "label_set", "system")


def summary(results: pd.DataFrame, setting: list[str]) -> pd.DataFrame:
    """Mean and deviation of each setting and metric: corpora and systems in the order of results.csv, axes by value.

    Returns:
        Columns of ``setting``, ``metric``, and: ``mean`` and ``std`` (n - 1 in the denominator; NaN for one run) over
        the finite values, ``runs`` (how many those are), ``missing`` (NaN values, and runs that other settings of the
        corpus and label set have), ``clips`` (tested per seed, all folds together: "535", or "530-535" where seeds
        differ).
    """
    keys = [*setting, "metric"]
    values = results.groupby(keys, sort=False)["value"].agg(["mean", "std", "count"]).rename(columns={"count": "runs"})
    values["clips"] = results.groupby(keys, sort=False)[["seed", "n"]].apply(_clips)
    table = values.reset_index()
    table["missing"] = _expected(results, keys) - table["runs"]
    return _in_order(table, setting)


def _in_order(table: pd.DataFrame, setting: list[str]) -> pd.DataFrame:
    """Corpora, label sets and systems as they come, the values of an axis from small to large."""
    ranks = pd.DataFrame(index=table.index)
    for key in (*_AS_FOUND, *setting):
        values = list(table[key].unique())
        if key not in _AS_FOUND:
            values.sort(key=number_first)
        ranks[key] = table[key].map({value: rank for rank, value in enumerate(values)})
    return table.loc[ranks.sort_values(list(ranks.columns), kind="stable").index].reset_index(drop=True)


def number_first(value: str) -> tuple[int, float, str]:
    """Sort key: numbers by size, before words by alphabet."""
    try:
        return 0, float(value), value
    except ValueError:
        return 1, 0.0, value


def _clips(rows: pd.DataFrame) -> str:
    totals = rows.groupby("seed")["n"].sum(min_count=1).dropna().astype(int)
    if totals.empty:
        return "unknown"
    if totals.nunique() == 1:
        return f"{totals.min()}"
    return f"{totals.min()}-{totals.max()}"


def _expected(results: pd.DataFrame, keys: list[str]) -> "pd.Series[int]":
    """The number of runs that each setting should have: as many as others of its corpus and label set."""
    used = results.assign(seeded=results["seed"] != "", folded=results["fold"] != "")
    kind = ["corpus", "label_set", "seeded", "folded"]
    pairs = used.drop_duplicates([*kind, "seed", "fold"]).groupby(kind).size().rename("expected").reset_index()
    first = used.drop_duplicates(keys).merge(pairs, on=kind, how="left")
    return first["expected"].astype(int)


def metrics_of(results: pd.DataFrame) -> list[str]:
    """The metrics of results.csv, in its order."""
    return [str(name) for name in results["metric"].unique()]


def lower_is_better(results: pd.DataFrame) -> set[str]:
    """The metrics of which low values are good, according to results.csv."""
    return set(results.loc[results["better"] == "lower", "metric"])


def score(mean: float, std: float, missing: int = 0, digits: int = 3) -> str:
    """Format a value: ``0.684 ± 0.041``, ``0.684`` for one run, ``missing``, with the count of missing runs."""
    if np.isnan(mean):
        return "missing"
    text = f"{mean:.{digits}f}"
    if not np.isnan(std):
        text += f" ± {std:.{digits}f}"
    if missing:
        text += f" ({missing} missing)"
    return text


def score_cell(summarized: pd.DataFrame, key: str) -> str:
    """Format the score at ``key`` of a ``summary`` that is indexed by metric or axis; a dash where there is none."""
    if key not in summarized.index:
        return NOTHING
    return score(*summarized.loc[key, ["mean", "std", "missing"]])


def setting_name(setting: "Mapping[str, str] | pd.Series[str]", system: str, axes: Sequence[str]) -> str:
    """The system and the values of ``axes``, apart from "not applicable", as plots and headings show them."""
    words = [system, *(f"{axis} {setting[axis]}" for axis in axes if setting[axis])]
    return " · ".join(word for word in words if word)


def accuracies(predictions: pd.DataFrame) -> dict[str, float]:
    """WA (share of clips labelled rightly) and UA (mean recall over the classes present in ``truth``), both 0 to 1.

    A clip without a label counts as labelled wrongly.
    """
    hit = predictions["truth"] == predictions["label"]
    return {"WA": float(hit.mean()), "UA": float(hit.groupby(predictions["truth"]).mean().mean())}


def chance(labels: Sequence[str], predictions: pd.DataFrame) -> dict[str, float]:
    """Chance levels: UA of guessing evenly (1 / classes), WA of always giving the commonest class. NaN if unknown."""
    share = predictions["truth"].value_counts(normalize=True)
    return {
        "UA": 1 / len(labels) if labels else float("nan"),
        "WA": float(share.max()) if len(share) else float("nan"),
    }


@dataclass(frozen=True)
class Check:
    """Comparison of results.csv with the accuracies recomputed from the predictions.

    Args:
        agree: How many values of results.csv agree within ``TOLERANCE``.
        differ: One sentence for each value that does not.
        unchecked: How many values of WA and UA have no predictions of their own to be compared with.
    """

    agree: int
    differ: list[str]
    unchecked: int


def check(runs: Runs) -> Check:
    """Recompute every UA and WA of results.csv from the predictions."""
    keys = [key for key in (*runs.setting, "seed", "fold") if key in runs.predictions]
    recomputed = {key: accuracies(rows) for key, rows in runs.predictions.groupby(keys)}
    recomputable = runs.results[runs.results["metric"].isin(["WA", "UA"])]
    # An axis that the predictions do not record makes several results share one key: none of them can be compared.
    shared = recomputable.duplicated([*keys, "metric"], keep=False)
    agree = 0
    differ = []
    unchecked = int(shared.sum())
    for row in recomputable[~shared].to_dict("records"):
        found = recomputed.get(tuple(row[key] for key in keys))
        if found is None:
            unchecked += 1
        elif abs(found[row["metric"]] - row["value"]) <= TOLERANCE:
            agree += 1
        else:
            setting = ", ".join(f"{key} {row[key]}" for key in keys if row[key])
            differ.append(
                f"{row['metric']} of {setting}: results.csv has {row['value']:.6f}, "
                f"the predictions give {found[row['metric']]:.6f}"
            )
    return Check(agree, differ, unchecked)
