"""Models side by side: every metric for each value of an axis, the best marked, with paired tests."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lightning_app.errors import ConfigError
from lightning_app.report.page.tables import NOTHING, lower_is_better, metrics_of, number_first, score, summary, varying
from lightning_app.report.read.load import Runs
from lightning_app.report.read.trials import read_trials
from lightning_app.report.statistics.paired import Paired, holm, paired
from lightning_app.runs.results import SPACE

LEVEL = 0.05


@dataclass(frozen=True)
class Contrast:
    """One value of the axis against the reference in one metric; differences are value minus reference.

    Args:
        metric: what was measured.
        value: the value of the axis.
        units: over trials or lists where there are any, else over runs (seeds and folds).
        seeds: over seeds, the mean of each first.
        p_t: of `units`, corrected by Holm over the table.
        p_wilcoxon: likewise.
        p_seeds: of the t-test over `seeds`, corrected likewise.
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
        """`*` where both tests over units find a difference at `LEVEL`, `†` where the test over seeds does."""
        return "*" * (self.p_t < LEVEL and self.p_wilcoxon < LEVEL) + "†" * (self.p_seeds < LEVEL)


@dataclass(frozen=True)
class Row:
    """One metric of a comparison: `cells` by value of the axis, and the place of the best (-1: none)."""

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
        axis: a matrix axis, or "system".
        place: corpus and label set.
        name: the system, and what else differs between tables.
        values: of the axis, as the chain ordered them.
        reference: the value that the others are tested against.
        rows: one for each metric.
        contrasts: one for each metric and value other than the reference; empty where tests were not asked for.
        over_trials: whether the deviations are over trials, there being one run of each model.
    """

    axis: str
    place: str
    name: str
    values: list[str]
    reference: str
    rows: list[Row]
    contrasts: list[Contrast]
    over_trials: bool


def compared_axes(runs: Runs) -> list[str]:
    """The axes with words among their values; without any, the systems if there are several."""
    worded = [axis for axis in varying(runs) if any(number_first(v)[0] for v in axis_values(runs, axis))]
    several = max(table["system"].nunique() for table in (runs.results, runs.rated)) > 1
    return worded or (["system"] if several else [])


def axis_values(runs: Runs, axis: str) -> list[str]:
    """The values of an axis in the order of results.csv; for the systems, those that recognise something."""
    table = runs.measured
    if axis == "system":
        table = table[table["kind"] != SPACE]
    return [str(value) for value in table[axis].unique() if value]


def comparisons(runs: Runs, reference: str | None = None, tests: bool = True) -> list[Comparison]:
    """All comparisons, by axis, corpus, label set and system; the shared space comes last.

    Args:
        runs: what the chain left.
        reference: the value to test against; None, or a table that lacks it: the first.
        tests: whether to test; needs scipy.

    Raises:
        ConfigError: no compared axis has the value `reference`.
        DataError: a trials.csv cannot be read.
    """
    axes = compared_axes(runs)
    known = [value for axis in axes for value in axis_values(runs, axis)]
    if reference is not None and reference not in known:
        raise ConfigError(f"reference: found {reference!r}, expected one of {', '.join(known) or 'no value'}")
    trials = read_trials(runs)
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
    if table.empty or (axis == "system" and not table["system"].isin(axis_values(runs, axis)).any()):
        return
    known = axis_values(runs, axis)
    keys = [key for key in runs.setting if key != axis]
    means = summary(table, runs.setting)
    rest = [other for other in varying(runs) if other != axis]
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
        name = [at.get("system", ""), *(f"{other} {at[other]}" for other in rest if at[other])]
        yield Comparison(
            axis=axis,
            place=f"{at['corpus']} · {at['label_set']}",
            name=" · ".join(word for word in name if word),
            values=values,
            reference=against,
            rows=[_row(table, part[part["metric"] == metric], axis, values, contrasts) for metric in metrics_of(part)],
            contrasts=contrasts,
            over_trials=over_trials,
        )


def _at(table: pd.DataFrame, at: dict[str, str]) -> pd.DataFrame:
    return table[(table[list(at)] == list(at.values())).all(axis=1)]


def _units(rows: pd.DataFrame, trials: pd.DataFrame, axis: str) -> pd.DataFrame:
    """What is paired: the trials of metrics that have any, the runs of the others."""
    columns = [axis, "metric", "seed", "fold", "trial", "value"]
    alone = rows[~rows["metric"].isin(trials["metric"])].assign(trial="")
    return pd.concat([part[columns] for part in (trials, alone) if not part.empty], ignore_index=True)


def _contrasts(units: pd.DataFrame, metrics: Sequence[str], values: list[str], reference: str) -> list[Contrast]:
    axis = units.columns[0]
    made = []
    for metric in metrics:
        own = units[units["metric"] == metric]
        by_unit = own.groupby(["seed", "fold", "trial", axis])["value"].mean().unstack(axis).reindex(columns=values)
        # A trial counts for its seed only where both models have it, so that both means are over the same trials.
        for value in values:
            if value != reference:
                pairs = by_unit[[value, reference]].dropna()
                seeds = pairs.groupby(level="seed").mean()
                made.append(
                    Contrast(
                        metric,
                        value,
                        paired(pairs[value], pairs[reference]),
                        paired(seeds[value], seeds[reference]),
                    )
                )
    corrected = zip(
        holm([contrast.units.p_t for contrast in made]),
        holm([contrast.units.p_wilcoxon for contrast in made]),
        holm([contrast.seeds.p_t for contrast in made]),
        strict=True,
    )
    return [
        replace(contrast, p_t=p_t, p_wilcoxon=p_wilcoxon, p_seeds=p_seeds)
        for contrast, (p_t, p_wilcoxon, p_seeds) in zip(made, corrected, strict=True)
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
    higher = metric not in lower_is_better(results)
    means = by_value["mean"].to_numpy() if higher else -by_value["mean"].to_numpy()
    best = -1 if np.isnan(means).all() else int(np.nanargmax(means))
    return Row(metric, "↑" if higher else "↓", digits, cells, [marks.get(value, "") for value in values], best)


def decimals(means: "pd.Series[float]") -> int:
    """Digits behind the point: three, or as many (to six) as give the largest value three; one from 10 on."""
    largest = float(means.abs().max())
    if np.isnan(largest) or largest == 0:
        return 3
    return 1 if largest >= 10 else int(np.clip(2 - np.floor(np.log10(largest)), 3, 6))
