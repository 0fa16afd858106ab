"""Accuracies from predictions: recomputed, compared with results.csv, and with chance beside them."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from lightning_app.report.read.load import Runs

TOLERANCE = 1e-6


def accuracies(predictions: pd.DataFrame) -> dict[str, float]:
    """WA (share of clips labelled rightly) and UA (mean recall over the classes present in `truth`), both 0 to 1.

    A clip without a label counts as labelled wrongly.
    """
    hit = predictions["truth"] == predictions["label"]
    return {"WA": float(hit.mean()), "UA": float(hit.groupby(predictions["truth"]).mean().mean())}


def confusion(predictions: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """Counts of clips, truth by row and label by column; anything outside `labels` gets a row or column of its own."""
    counts = pd.crosstab(predictions["truth"], predictions["label"].replace("", "no label"))
    rows = [*labels, *sorted(set(counts.index) - set(labels))]
    columns = [*labels, *sorted(set(counts.columns) - set(labels))]
    return counts.reindex(index=rows, columns=columns, fill_value=0)


def chance(labels: Sequence[str], predictions: pd.DataFrame) -> dict[str, float]:
    """Chance levels: UA of guessing evenly (1 / classes), WA of always saying the commonest class. NaN if unknown."""
    share = predictions["truth"].value_counts(normalize=True)
    return {
        "UA": 1 / len(labels) if labels else float("nan"),
        "WA": float(share.max()) if len(share) else float("nan"),
    }


@dataclass(frozen=True)
class Check:
    """How results.csv compares with the accuracies recomputed from the predictions.

    Args:
        agree: how many values of results.csv agree within `TOLERANCE`.
        differ: one sentence for each value that does not.
        unchecked: how many values of WA and UA have no predictions of their own to be compared with.
    """

    agree: int
    differ: list[str]
    unchecked: int


def check(runs: Runs) -> Check:
    """Recompute every UA and WA of results.csv from the predictions."""
    keys = [key for key in (*runs.setting, "seed", "fold") if key in runs.predictions]
    own = {key: accuracies(rows) for key, rows in runs.predictions.groupby(keys)}
    recomputable = runs.results[runs.results["metric"].isin(["WA", "UA"])]
    # An axis that the predictions do not record makes several results share one key: none of them can be compared.
    shared = recomputable.duplicated([*keys, "metric"], keep=False)
    agree, differ, unchecked = 0, [], int(shared.sum())
    for row in recomputable[~shared].to_dict("records"):
        found = own.get(tuple(row[key] for key in keys))
        if found is None:
            unchecked += 1
        elif abs(found[row["metric"]] - row["value"]) <= TOLERANCE:
            agree += 1
        else:
            place = ", ".join(f"{key} {row[key]}" for key in keys if row[key])
            differ.append(
                f"{row['metric']} of {place}: results.csv has {row['value']:.6f}, "
                f"the predictions give {found[row['metric']]:.6f}"
            )
    return Check(agree, differ, unchecked)
