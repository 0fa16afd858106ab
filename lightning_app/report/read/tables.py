"""results.csv and trials.csv as tables."""

from pathlib import Path
from typing import Any

import pandas as pd

from datamodules.errors import DataError
from datamodules.manifest.spreadsheet import unescaped_table
from lightning_app.report.read.folders import CHAIN, ResultRun
from lightning_app.runs.files import RESULTS_CSV, TRIALS_CSV
from lightning_app.runs.predictions import COLUMNS as PREDICTION_COLUMNS
from lightning_app.runs.results import COLUMNS, SPACE

TRIAL_COLUMNS = ("metric", "trial", "value")
# Any other column is an axis, whose values may be numbers, as seed and fold are.
WORDS = {*COLUMNS, *PREDICTION_COLUMNS, "stage"} - {"seed", "fold"}


def read_results(path: Path) -> pd.DataFrame:
    """Read results.csv: ``value`` and ``n`` as numbers, keys as text; see `as_text`.

    Raises:
        DataError: Missing, empty, without a column, or with a value that is no number.
    """
    if not path.is_file():
        raise DataError(f"{path}: not found; a chain writes it, for example `{CHAIN}`")
    try:
        table = unescaped_table(pd.read_csv(path, dtype=str))
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}; a chain writes it anew: `{CHAIN} --force`") from error
    absent = [column for column in COLUMNS if column not in table]
    if absent:
        raise DataError(f"{path}: no column {', '.join(absent)}; expected {', '.join(COLUMNS)}, then the axes")
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


def run_trials(run: ResultRun) -> pd.DataFrame:
    """The trials behind a run's metrics of the shared space, with the run's setting, seed and fold.

    A run on several corpora gives no rows: its trials do not say on which corpus they were made.

    Raises:
        DataError: The file cannot be read, or lacks a column.
    """
    table = _read_trials(run.folder / TRIALS_CSV)
    results = read_results(run.folder / RESULTS_CSV)
    keys = ["system", "corpus", "label_set", "seed", "fold"]
    settings = results.loc[results["kind"] == SPACE, keys].drop_duplicates()
    if len(settings) != 1:
        return table[:0]
    # The cell has the last word on seed and fold, as it has in the chain's results.csv.
    setting = {str(key): value for key, value in settings.iloc[0].items()} | run.axes
    return table.assign(**setting)


def _read_trials(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}; delete the folder and run the chain again") from error
    absent = [column for column in TRIAL_COLUMNS if column not in table]
    if absent:
        raise DataError(f"{path}: no column {', '.join(absent)}; expected {', '.join(TRIAL_COLUMNS)}")
    if not pd.api.types.is_numeric_dtype(table["value"]):
        raise DataError(f"{path}: column value holds text, expected numbers; delete the folder and run the chain again")
    return table[list(TRIAL_COLUMNS)]


def as_text(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Turn columns into text, missing is empty; of seeds, folds and axes, ``8.0`` and ``8`` are one key."""
    return table.assign(**{name: _text(table[name], number=name not in WORDS) for name in columns})


def _text(values: "pd.Series[Any]", number: bool) -> "pd.Series[Any]":
    # Each value once: a column of a corpus has few that differ.
    codes, found = pd.factorize(values)
    words = pd.Series([*found, ""], dtype=object).astype("string")
    if number:
        words = words.str.replace(r"\.0+$", "", regex=True)
    return pd.Series(words.to_numpy(object)[codes], index=values.index, dtype=object)
