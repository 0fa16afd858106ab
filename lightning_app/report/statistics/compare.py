"""Models side by side: every metric for each value of an axis, the best marked, with paired tests."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lightning_app.errors import ConfigError
from lightning_app.report.read.load import Runs
from lightning_app.report.statistics.paired import Paired, holm, paired
from lightning_app.report.statistics.scores import (
    NOTHING,
    lower_is_better,
    metrics_of,
    score,
    setting_name,
    summary,
)

LEVEL = 0.05


@dataclass(frozen=True)
class Contrast:
    """One value of the axis against the reference in one metric; differences are value minus reference.

    Args:
        metric: The metric.
        value: The value of the axis.
        units: Over trials or lists where there are any, else over runs (seeds and folds).
        seeds: Over seeds, the mean of each first.
        p_t: Of ``units``, corrected by Holm over the table.
        p_wilcoxon: Likewise.
        p_seeds: Of the t-test over ``seeds``, corrected likewise.
    """

    metric: str
    value: str
    units: Paired
    seeds: Paired
    p_t: float = float("nan")
    p_wilcoxon: float = float("nan")
    p_seeds: float = float("nan")

    @property
    def mark(self) -> str:
        """``*`` where both tests over units find a difference at ``LEVEL``, ``†`` where the test over seeds does."""
        return "*" * (self.p_t < LEVEL and self.p_wilcoxon < LEVEL) + "†" * (self.p_seeds < LEVEL)


@dataclass(frozen=True)
class Row:
    """One metric of a comparison: ``cells`` by value of the axis, and the index of the best (-1: none)."""

    metric: str
    arrow: str
    digits: int
    cells: list[str]
    marks: list[str]
    best: int


@dataclass(frozen=True)
class Comparison:
    """One system on one corpus, with the values of an axis side by side.

    Args:
        axis: A matrix axis, or "system".
        data: Corpus and label set.
        name: The system, and what else differs between tables.
        values: Of the axis, as the chain ordered them.
        reference: The value that the others are tested against.
        rows: One for each metric.
        contrasts: One for each metric and value other than the reference; empty where tests were not asked for.
        over_trials: Whether the deviations are over trials, there being one run of each model.
    """

    axis: str
    data: str
    name: str
    values: list[str]
    reference: str
    rows: list[Row]
    contrasts: list[Contrast]
    over_trials: bool


def comparisons(runs: Runs, reference: str | None = None, tests: bool = True) -> list[Comparison]:
    """All comparisons, by axis, corpus, label set and system; the shared space comes last.

    Args:
        runs: Results of the chain.
        reference: The value to test against; None, or a table that lacks it: the first.
        tests: Whether to test; needs scipy.

    Raises:
        ConfigError: No compared axis has the value ``reference``.
        DataError: A trials.csv cannot be read.
    """
    axes = runs.compared_axes
    known = [value for axis in axes for value in runs.axis_values(axis)]
    if reference is not None and reference not in known:
        raise ConfigError(f"reference: found {reference!r}, expected one of {', '.join(known) or 'no value'}")
    trials = runs.trials()
    return [
        made
        for axis in axes
        for table in (runs.results, runs.rated, runs.shared)
        for made in _of_axis(runs, axis, table, trials, reference, tests)
    ]


def _of_axis(
    runs: Runs, axis: str, table: pd.DataFrame, trials: pd.DataFrame, reference: str | None, tests: bool
) -> Iterator[Comparison]:
    table = table[table[axis] != ""]
    if table.empty or (axis == "system" and not table["system"].isin(runs.axis_values(axis)).any()):
        return
    known = runs.axis_values(axis)
    keys = [key for key in runs.setting if key != axis]
    means = summary(table, runs.setting)
    rest = [other for other in runs.varying if other != axis]
    for key, part in means.groupby(keys, sort=False):
        values = [value for value in known if (part[axis] == value).any()]
        if len(values) < 2:
            continue
        at = dict(zip(keys, map(str, key), strict=True))
        against = reference if reference in values else values[0]
        units = _units(_at(table, at), _at(trials, at), axis)
        contrasts = _contrasts(units, metrics_of(part), values, against) if tests else []
        over_trials = bool((part["runs"] <= 1).all() and units["trial"].nunique() > 1)
        if over_trials:
            spread = units.groupby([axis, "metric"])["value"].std()
            part = part.assign(std=[spread[pair] for pair in zip(part[axis], part["metric"], strict=True)])
        yield Comparison(
            axis=axis,
            data=f"{at['corpus']} · {at['label_set']}",
            name=setting_name(at, at.get("system", ""), rest),
            values=values,
            reference=against,
            rows=[_row(table, part[part["metric"] == metric], axis, values, contrasts) for metric in metrics_of(part)],
            contrasts=contrasts,
            over_trials=over_trials,
        )


def _at(table: pd.DataFrame, at: dict[str, str]) -> pd.DataFrame:
    return table[(table[list(at)] == list(at.values())).all(axis=1)]


def _units(rows: pd.DataFrame, trials: pd.DataFrame, axis: str) -> pd.DataFrame:
    """Values to pair: the trials of metrics that have any, the runs of the others."""
    columns = [axis, "metric", "seed", "fold", "trial", "value"]
    alone = rows[~rows["metric"].isin(trials["metric"])].assign(trial="")
    return pd.concat([part[columns] for part in (trials, alone) if not part.empty], ignore_index=True)


def _contrasts(units: pd.DataFrame, metrics: Sequence[str], values: list[str], reference: str) -> list[Contrast]:
    axis = units.columns[0]
    made = []
    for metric in metrics:
        of_metric = units[units["metric"] == metric]
        by_unit = (
            of_metric.groupby(["seed", "fold", "trial", axis])["value"].mean().unstack(axis).reindex(columns=values)
        )
        # A trial counts for its seed only where both models have it, so that both means are over the same trials.
        for value in values:
            if value != reference:
                pairs = by_unit[[value, reference]].dropna()
                seeds = pairs.groupby(level="seed").mean()
                over_units = paired(pairs[value], pairs[reference])
                over_seeds = paired(seeds[value], seeds[reference])
                made.append(Contrast(metric, value, over_units, over_seeds))
    p_t = holm([contrast.units.p_t for contrast in made])
    p_wilcoxon = holm([contrast.units.p_wilcoxon for contrast in made])
    p_seeds = holm([contrast.seeds.p_t for contrast in made])
    return [
        replace(contrast, p_t=p_t[i], p_wilcoxon=p_wilcoxon[i], p_seeds=p_seeds[i]) for i, contrast in enumerate(made)
    ]


def _row(results: pd.DataFrame, part: pd.DataFrame, axis: str, values: list[str], contrasts: list[Contrast]) -> Row:
    metric = str(part["metric"].iloc[0])
    by_value = part.set_index(axis).reindex(values)
    digits = decimals(by_value["mean"])
    cells = [
        NOTHING if np.isnan(runs) else score(mean, std, int(missing), digits)
        for mean, std, runs, missing in by_value[["mean", "std", "runs", "missing"]].itertuples(index=False)
    ]
    marks = {contrast.value: contrast.mark for contrast in contrasts if contrast.metric == metric}
    means = by_value["mean"].to_numpy()
    arrow = "↑"
    if metric in lower_is_better(results):
        means = -means
        arrow = "↓"
    best = -1 if np.isnan(means).all() else int(np.nanargmax(means))
    return Row(metric, arrow, digits, cells, [marks.get(value, "") for value in values], best)


def decimals(means: "pd.Series[float]") -> int:
    """Digits behind the point: three, or as many (to six) as give the largest value three; one from 10 on."""
    largest = float(means.abs().max())
    if np.isnan(largest) or largest == 0:
        return 3
    return 1 if largest >= 10 else int(np.clip(2 - np.floor(np.log10(largest)), 3, 6))
