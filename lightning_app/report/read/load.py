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
from lightning_app.report.read.folders import CHAIN, Run, find_runs

RESULT_COLUMNS = ("system", "corpus", "view", "metric", "seed", "fold", "value", "n")
PREDICTION_COLUMNS = ("id", "corpus", "system", "truth", "label", "seed", "fold")
SHARED_SPACE = "shared space"  # the system of rows that measure the joint space itself and classify nothing


@dataclass(frozen=True)
class Runs:
    """A runs folder, read.

    Args:
        folder: the folder, as it was named.
        results: results.csv; `value` (0 to 1) and `n` (clips) are numbers, the other columns text (missing = empty).
        shared: its rows about the shared space, kept apart: they have no predictions, and their values know no bounds.
        predictions: every run's predictions.parquet, one below the other, with `view`, `stage` and the axes as columns.
        stages: every run, in order of cell within the order in which the stages first ended.
    """

    folder: Path
    results: pd.DataFrame
    shared: pd.DataFrame
    predictions: pd.DataFrame
    stages: list[Run]

    @cached_property
    def axes(self) -> list[str]:
        """Names of the further matrix axes: the columns of results.csv that every results.csv does not have."""
        return [column for column in self.results.columns if column not in RESULT_COLUMNS]

    @cached_property
    def measured(self) -> pd.DataFrame:
        """`results` and `shared` together, in the order of results.csv."""
        return pd.concat([self.results, self.shared]).sort_index()

    @property
    def setting(self) -> list[str]:
        """The columns that tell one setting from another; what differs within a setting is seed and fold."""
        return ["system", "corpus", "view", *self.axes]

    def predictions_of(self, setting: Mapping[str, str]) -> pd.DataFrame:
        """The predictions behind one setting; none where they do not record the axis that tells it from another."""
        keys = [key for key in self.setting if key in self.predictions]
        alike = self.results[(self.results[keys] == [setting[key] for key in keys]).all(axis=1)]
        if alike[self.setting].drop_duplicates().shape[0] != 1:
            return self.predictions[:0]
        return self.predictions[(self.predictions[keys] == [setting[key] for key in keys]).all(axis=1)]


def load(folder: Path) -> Runs:
    """Read a chain's folder, a folder of run folders, or one run folder with those of the stages before it.

    Raises:
        DataError: results.csv is missing, empty or lacks a column, or another file cannot be read.
    """
    files, stages = find_runs(folder)
    axes = {run.folder / "results.csv": run.axes for run in stages}
    measured = pd.concat([read_results(file).assign(**axes.get(file, {})) for file in files], ignore_index=True)
    measured = as_text(measured, list(measured.columns.drop(["value", "n"])))
    about_space = measured["system"] == SHARED_SPACE
    results, shared = measured[~about_space], measured[about_space]
    tables = [_read_predictions(run) for run in stages if (run.folder / "predictions.parquet").is_file()]
    empty = pd.DataFrame(columns=[*PREDICTION_COLUMNS, "stage"])
    predictions = pd.concat(tables, ignore_index=True) if tables else empty
    # A run that an axis does not reach has no value for it.
    keys = predictions.columns[~predictions.columns.str.startswith("score_")]
    predictions[keys] = predictions[keys].fillna("")
    if "view" not in predictions:
        predictions["view"] = _views(predictions, results)
    return Runs(folder, results, shared, predictions, stages)


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
    text = {name: table[name].astype("string").fillna("").str.replace(r"\.0+$", "", regex=True) for name in columns}
    return table.assign(**{name: values.astype(object) for name, values in text.items()})


def _read_predictions(run: Run) -> pd.DataFrame:
    path = run.folder / "predictions.parquet"
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {error}; delete the folder and run the chain again") from error
    absent = [column for column in PREDICTION_COLUMNS if column not in table]
    if absent:
        raise DataError(f"{path}: no column {', '.join(absent)}; expected {', '.join(PREDICTION_COLUMNS)}")
    # The cell has the last word on seed, fold and axes, as it has in results.csv.
    table = table.assign(stage=run.stage, **run.axes)
    return as_text(table, list(table.columns[~table.columns.str.startswith("score_")]))


def classes(view: str, predictions: pd.DataFrame) -> list[str]:
    """The classes of a view: by its name, by its list of labels, else by the scores that its predictions carry."""
    if view in LABEL_SETS:
        return list(LABEL_SETS[view].labels)
    if "+" in view:
        return view.split("+")
    scored = predictions.filter(regex="^score_").dropna(axis="columns", how="all")
    return list(scored.columns.str.removeprefix("score_"))


def _views(predictions: pd.DataFrame, results: pd.DataFrame) -> "pd.Series[Any]":
    """The view of every prediction: the only one its corpus and system have, or the one with the classes scored."""
    known = {key: list(rows["view"].unique()) for key, rows in results.groupby(["system", "corpus"])}
    view = pd.Series("", index=predictions.index, dtype=object)
    for key, rows in predictions.groupby(["system", "corpus", "stage"]):
        options = known.get(key[:2], [])
        scored = set(classes("", rows))
        fits = options if len(options) == 1 else [name for name in options if set(classes(name, rows[:0])) == scored]
        view[rows.index] = fits[0] if len(fits) == 1 else ""
    return view
