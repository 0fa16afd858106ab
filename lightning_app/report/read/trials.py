"""The trials behind the shared-space numbers: what every run left in trials.csv."""

from pathlib import Path

import pandas as pd

from datamodules.errors import DataError
from lightning_app.report.read.folders import ResultRun
from lightning_app.report.read.load import Runs, as_text, read_results
from lightning_app.runs.files import RESULTS_CSV, TRIALS_CSV
from lightning_app.runs.results import SPACE

COLUMNS = ("metric", "trial", "value")


def read_trials(runs: Runs) -> pd.DataFrame:
    """All trials of all runs, with the setting, seed and fold of the run; `value` is NaN where it was not measurable.

    Left out are runs without a row in results.csv, and runs on several corpora: their trials do not say on which.

    Returns:
        Columns of `runs.setting`, seed, fold, metric, trial (text) and value.

    Raises:
        DataError: a file cannot be read, or lacks a column.
    """
    columns = [*runs.setting, "seed", "fold", *COLUMNS]
    tables = [_of_run(run) for run in runs.stages if (run.folder / TRIALS_CSV).is_file()]
    tables = [table for table in tables if not table.empty]
    if not tables:
        return pd.DataFrame(columns=columns).astype({"value": float})
    joined = pd.concat(tables, ignore_index=True).reindex(columns=columns)
    trials = as_text(joined, [column for column in columns if column != "value"])
    # Folders of cells that have left the chain stay on disk; results.csv knows which runs count.
    return trials.merge(runs.shared[columns[:-2]].drop_duplicates())


def _of_run(run: ResultRun) -> pd.DataFrame:
    table = _read(run.folder / TRIALS_CSV)
    results = read_results(run.folder / RESULTS_CSV)
    places = results.loc[results["kind"] == SPACE, ["system", "corpus", "label_set", "seed", "fold"]].drop_duplicates()
    if len(places) != 1:
        return table[:0]
    # The cell has the last word on seed and fold, as it has in the chain's results.csv.
    told = {str(key): value for key, value in places.iloc[0].items()} | run.axes
    return table.assign(**told)


def _read(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}; delete the folder and run the chain again") from error
    absent = [column for column in COLUMNS if column not in table]
    if absent:
        raise DataError(f"{path}: no column {', '.join(absent)}; expected {', '.join(COLUMNS)}")
    if not pd.api.types.is_numeric_dtype(table["value"]):
        raise DataError(f"{path}: column value holds text, expected numbers; delete the folder and run the chain again")
    return table[list(COLUMNS)]
