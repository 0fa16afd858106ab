"""Read what a chain, or the stages one by one, left in their run folders: results, predictions, records."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from datamodules.errors import DataError
from datamodules.labels import LABEL_SETS
from datamodules.manifest.spreadsheet import unescaped_table
from lightning_app.report.read.folders import CHAIN, ResultRun, find_runs
from lightning_app.runs.files import PREDICTIONS_PARQUET, RESULTS_CSV
from lightning_app.runs.predictions import COLUMNS as PREDICTION_COLUMNS
from lightning_app.runs.predictions import RATING, SCORE, TEXT, answers, read_predictions
from lightning_app.runs.results import COLUMNS as RESULT_COLUMNS
from lightning_app.runs.results import SPACE


@dataclass(frozen=True)
class Runs:
    """A runs folder, read.

    Args:
        folder: the folder, as it was named.
        measured: results.csv; `value` and `n` (clips) are numbers, the other columns text (missing = empty).
        predictions: what systems answered, a row per clip and system, one run below the other, with `stage` and the
            axes as columns.
        ratings: likewise what systems rated, a row per clip, system and dimension.
        texts: likewise what systems answered in words.
        scored: by label set, the classes that its predictions score, in the order of the logits.
        stages: every run, in order of cell within the order in which the stages first ended.
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
        """Its rows about ratings."""
        return self._of_kind(RATING)

    @cached_property
    def shared(self) -> pd.DataFrame:
        """Its rows about the shared space: they have no predictions, and their values know no bounds."""
        return self._of_kind(SPACE)

    def _of_kind(self, kind: str) -> pd.DataFrame:
        return self.measured[self.measured["kind"] == kind]

    @cached_property
    def axes(self) -> list[str]:
        """Names of the further matrix axes: the columns of results.csv that every results.csv does not have."""
        return [column for column in self.measured.columns if column not in RESULT_COLUMNS]

    def classes(self, label_set: str) -> list[str]:
        """The classes of a label set: by its name, by its list of labels, else those that its predictions score."""
        if label_set in LABEL_SETS:
            return list(LABEL_SETS[label_set].labels)
        return label_set.split("+") if "+" in label_set else list(self.scored.get(label_set, []))

    @property
    def setting(self) -> list[str]:
        """The columns that tell one setting from another; what differs within a setting is seed and fold."""
        return ["system", "corpus", "label_set", *self.axes]

    def predictions_of(self, setting: Mapping[str, str]) -> pd.DataFrame:
        """The predictions behind one setting; none where they do not record the axis that tells it from another."""
        return self._behind(self.predictions, self.results, setting)

    def ratings_of(self, setting: Mapping[str, str]) -> pd.DataFrame:
        """The ratings behind one setting; likewise."""
        return self._behind(self.ratings, self.rated, setting)

    def _behind(self, predicted: pd.DataFrame, results: pd.DataFrame, setting: Mapping[str, str]) -> pd.DataFrame:
        keys = [key for key in self.setting if key in predicted]
        values = [setting[key] for key in keys]
        alike = results[(results[keys] == values).all(axis=1)]
        if alike[self.setting].drop_duplicates().shape[0] != 1:
            return predicted[:0]
        return predicted[(predicted[keys] == values).all(axis=1)]


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
        predictions=_below_each_other([answers(table) for table in tables]),
        ratings=_below_each_other([table[table["kind"] == RATING] for table in tables]),
        texts=_below_each_other([table[table["kind"] == TEXT] for table in tables]),
        scored=scored,
        stages=stages,
    )


def _predictions(run: ResultRun) -> pd.DataFrame:
    # The cell has the last word on seed, fold and axes, as it has in results.csv.
    return read_predictions(run.folder / PREDICTIONS_PARQUET).assign(stage=run.stage, **run.axes)


def _below_each_other(tables: list[pd.DataFrame]) -> pd.DataFrame:
    joined = pd.concat([pd.DataFrame(columns=[*PREDICTION_COLUMNS, "stage"]), *tables], ignore_index=True)
    # A run that an axis does not reach has no value for it.
    joined = as_text(joined, list(joined.columns.drop(["value", "true_value"])))
    return joined.astype({"value": float, "true_value": float})


def read_results(path: Path) -> pd.DataFrame:
    """Read results.csv; keys become text (`8.0` and `8` are one key, missing is empty), `value` and `n` numbers.

    Raises:
        DataError: missing, empty, without a column, or with a value that is no number.
    """
    if not path.is_file():
        raise DataError(f"{path}: not found; a chain writes it, for example `{CHAIN}`")
    try:
        table = unescaped_table(pd.read_csv(path, dtype=str))
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}; a chain writes it anew: `{CHAIN} --force`") from error
    absent = [column for column in RESULT_COLUMNS if column not in table]
    if absent:
        raise DataError(f"{path}: no column {', '.join(absent)}; expected {', '.join(RESULT_COLUMNS)}, then the axes")
    if table.empty:
        raise DataError(f"{path}: no row below the header; a chain's evaluation stages fill it: `{CHAIN}`")
    for column in ("value", "n"):
        number = pd.to_numeric(table[column], errors="coerce")
        wrong = table.index[number.isna() & table[column].notna()]
        if len(wrong):
            found = table.loc[wrong[0], column]
            raise DataError(f"{path}:{wrong[0] + 2}:{column}: found {found!r}, expected a number")
        table[column] = number
    return as_text(table, list(table.columns.drop(["value", "n"])))


def as_text(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The table with `columns` as text: `8.0` and `8` are one key, missing is empty."""
    return table.assign(**{name: _text(table[name]) for name in columns})


def _text(values: "pd.Series[Any]") -> "pd.Series[Any]":
    # Each value once: a column of a corpus has few that differ.
    codes, found = pd.factorize(values)
    words = pd.Series([*found, ""], dtype=object).astype("string").str.replace(r"\.0+$", "", regex=True)
    return pd.Series(words.to_numpy(object)[codes], index=values.index, dtype=object)
