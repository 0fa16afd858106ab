"""Results and predictions of a chain, or of stages that were run one by one."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from datamodules.labels import LABEL_SETS
from lightning_app.report.read.folders import ResultRun, find_runs
from lightning_app.report.read.tables import TRIAL_COLUMNS, as_text, read_results, run_trials
from lightning_app.runs.files import PREDICTIONS_PARQUET, RESULTS_CSV, TRIALS_CSV
from lightning_app.runs.predictions import COLUMNS as PREDICTION_COLUMNS
from lightning_app.runs.predictions import RATING, SCORE, TEXT, answers, read_predictions
from lightning_app.runs.results import COLUMNS as RESULT_COLUMNS
from lightning_app.runs.results import SPACE


@dataclass(frozen=True)
class Runs:
    """The contents of a runs folder.

    Args:
        folder: The folder, as it was named.
        measured: results.csv; ``value`` and ``n`` (clips) are numbers, the other columns text (missing = empty).
        predictions: The classes that systems gave, a row per clip and system, of all runs; ``stage`` and the axes are
            further columns.
        ratings: Likewise their ratings, a row per clip, system and dimension.
        texts: Likewise their answers in words.
        scored: By label set, the classes that its predictions score, in the order of the logits.
        stages: Every run, ordered by the first end of its stage, then by cell.
    """

    folder: Path
    measured: pd.DataFrame
    predictions: pd.DataFrame
    ratings: pd.DataFrame
    texts: pd.DataFrame
    scored: Mapping[str, list[str]]
    stages: list[ResultRun]

    @cached_property
    def results(self) -> pd.DataFrame:
        """The rows of results.csv about the recognition of classes; values are 0 to 1."""
        return self._of_kind(SCORE)

    @cached_property
    def rated(self) -> pd.DataFrame:
        """The rows of results.csv about ratings."""
        return self._of_kind(RATING)

    @cached_property
    def shared(self) -> pd.DataFrame:
        """The rows of results.csv about the shared space: they have no predictions, and their values have no bounds."""
        return self._of_kind(SPACE)

    def _of_kind(self, kind: str) -> pd.DataFrame:
        return self.measured[self.measured["kind"] == kind]

    @cached_property
    def axes(self) -> list[str]:
        """Names of the further matrix axes: the columns of results.csv that every results.csv does not have."""
        return [column for column in self.measured.columns if column not in RESULT_COLUMNS]

    @cached_property
    def varying(self) -> list[str]:
        """The axes that have more than one value, apart from "not applicable" (empty)."""
        return [axis for axis in self.axes if len(self.axis_values(axis)) > 1]

    @cached_property
    def compared_axes(self) -> list[str]:
        """The axes with words among their values; without any, the systems if there are several."""
        worded = [axis for axis in self.varying if not all(map(is_number, self.axis_values(axis)))]
        several = max(table["system"].nunique() for table in (self.results, self.rated)) > 1
        return worded or (["system"] if several else [])

    def axis_values(self, axis: str) -> list[str]:
        """The values of an axis in the order of results.csv; for the systems, those that recognize something."""
        table = self.measured
        if axis == "system":
            table = table[table["kind"] != SPACE]
        return [str(value) for value in table[axis].unique() if value]

    def classes(self, label_set: str) -> list[str]:
        """The classes of a label set: by its name, by its list of labels, else those that its predictions score."""
        if label_set in LABEL_SETS:
            return list(LABEL_SETS[label_set].labels)
        if "+" in label_set:
            return label_set.split("+")
        return list(self.scored.get(label_set, []))

    @property
    def setting(self) -> list[str]:
        """The columns that tell one setting from another; only seed and fold differ within a setting."""
        return ["system", "corpus", "label_set", *self.axes]

    def predictions_on(self, corpus: str, label_set: str) -> pd.DataFrame:
        """The predictions on one corpus with one label set, of all settings."""
        return self.predictions[(self.predictions["corpus"] == corpus) & (self.predictions["label_set"] == label_set)]

    def predictions_of(self, setting: Mapping[str, str]) -> pd.DataFrame:
        """The predictions of one setting; none where they do not record the axis that tells it from another."""
        return self._of_setting(self.predictions, self.results, setting)

    def ratings_of(self, setting: Mapping[str, str]) -> pd.DataFrame:
        """The ratings of one setting; likewise."""
        return self._of_setting(self.ratings, self.rated, setting)

    def _of_setting(self, predicted: pd.DataFrame, results: pd.DataFrame, setting: Mapping[str, str]) -> pd.DataFrame:
        keys = [key for key in self.setting if key in predicted]
        values = [setting[key] for key in keys]
        alike = results[(results[keys] == values).all(axis=1)]
        if len(alike[self.setting].drop_duplicates()) != 1:
            return predicted[:0]
        return predicted[(predicted[keys] == values).all(axis=1)]

    def trials(self) -> pd.DataFrame:
        """The trials of all runs behind the metrics of the shared space; ``value`` is NaN where it is not measurable.

        Returns:
            Columns of ``setting``, seed, fold, metric, trial (text) and value.

        Raises:
            DataError: A file cannot be read, or lacks a column.
        """
        columns = [*self.setting, "seed", "fold", *TRIAL_COLUMNS]
        tables = [run_trials(run) for run in self.stages if (run.folder / TRIALS_CSV).is_file()]
        tables = [table for table in tables if not table.empty]
        if not tables:
            return pd.DataFrame(columns=columns).astype({"value": float})
        joined = pd.concat(tables, ignore_index=True).reindex(columns=columns)
        trials = as_text(joined, [column for column in columns if column != "value"])
        # Folders of cells that have left the chain stay on disk; results.csv knows which runs count.
        return trials.merge(self.shared[columns[:-2]].drop_duplicates())


def load(folder: Path) -> Runs:
    """Read a chain's folder, a folder of run folders, or one run folder with those of the stages before it.

    Raises:
        DataError: results.csv is missing, empty or lacks a column, or another file cannot be read.
    """
    files, stages = find_runs(folder)
    axes = {run.folder / RESULTS_CSV: run.axes for run in stages}
    measured = pd.concat([read_results(file).assign(**axes.get(file, {})) for file in files], ignore_index=True)
    measured = as_text(measured, list(measured.columns.drop(["value", "n"])))
    tables = [_predictions(run) for run in stages if (run.folder / PREDICTIONS_PARQUET).is_file()]
    scored: dict[str, list[str]] = {}
    for table in tables:
        for label_set, rows in table[table["kind"] == SCORE].groupby("label_set", observed=True):
            scored.setdefault(str(label_set), list(rows["label"].unique()))
    return Runs(
        folder=folder,
        measured=measured,
        predictions=_joined([answers(table) for table in tables]),
        ratings=_joined([table[table["kind"] == RATING] for table in tables]),
        texts=_joined([table[table["kind"] == TEXT] for table in tables]),
        scored=scored,
        stages=stages,
    )


def _predictions(run: ResultRun) -> pd.DataFrame:
    # The cell has the last word on seed, fold and axes, as it has in results.csv.
    return read_predictions(run.folder / PREDICTIONS_PARQUET).assign(stage=run.stage, **run.axes)


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    joined = pd.concat([pd.DataFrame(columns=[*PREDICTION_COLUMNS, "stage"]), *tables], ignore_index=True)
    # A run that an axis does not reach has no value for it.
    joined = as_text(joined, list(joined.columns.drop(["value", "true_value"])))
    return joined.astype({"value": float, "true_value": float})


def is_number(value: str) -> bool:
    """Whether the value of an axis is a number."""
    try:
        float(value)
    except ValueError:
        return False
    return True
