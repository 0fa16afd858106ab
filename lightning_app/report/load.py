"""Read what a chain left in its runs folder: results, predictions, and the record of every run."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from datamodules.errors import DataError
from datamodules.labels import VIEWS
from lightning_app.previous import PREVIOUS

RESULT_COLUMNS = ("system", "corpus", "view", "metric", "seed", "fold", "value", "n")
PREDICTION_COLUMNS = ("id", "corpus", "system", "truth", "label", "seed", "fold")
SHARED_SPACE = "shared space"  # the system of rows that measure the joint space itself and classify nothing
_RUN_FILES = ("done.json", "metrics.csv", "predictions.parquet", "embeddings.npz")
_CHAIN = "lightning-cli chain --config configs/chains/demo.yaml"


@dataclass(frozen=True)
class Run:
    """One run folder: a stage, or one cell of a stage's matrix.

    Args:
        stage: the stage's name in the chain.
        cell: the cell's name, such as `seed=1,fold=0`; empty where the stage has no matrix.
        folder: where its files are.
        done: contents of done.json; empty while the run is unfinished.
    """

    stage: str
    cell: str
    folder: Path
    done: dict[str, Any] = field(default_factory=dict)

    @property
    def axes(self) -> dict[str, str]:
        """What the cell says of seed, fold and the matrix axes."""
        return dict(part.split("=", 1) for part in self.cell.split(",") if "=" in part)


@dataclass(frozen=True)
class Runs:
    """A chain's runs folder, read.

    Args:
        folder: the folder.
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
    """Read a runs folder.

    Raises:
        DataError: results.csv is missing, empty or lacks a column, or another file cannot be read.
    """
    measured = read_results(folder / "results.csv")
    about_space = measured["system"] == SHARED_SPACE
    results, shared = measured[~about_space], measured[about_space]
    stages = _find_runs(folder)
    tables = [_read_predictions(run) for run in stages if (run.folder / "predictions.parquet").is_file()]
    empty = pd.DataFrame(columns=[*PREDICTION_COLUMNS, "stage"])
    predictions = pd.concat(tables, ignore_index=True) if tables else empty
    # A run that an axis does not reach has no value for it.
    keys = predictions.columns[~predictions.columns.str.startswith("score_")]
    predictions[keys] = predictions[keys].fillna("")
    if "view" not in predictions:
        predictions["view"] = _views(predictions, results)
    return Runs(folder.resolve(), results, shared, predictions, stages)


def read_results(path: Path) -> pd.DataFrame:
    """Read results.csv; keys become text (`8.0` and `8` are one key, missing is empty), `value` and `n` numbers.

    Raises:
        DataError: missing, empty, without a column, or with a value that is no number.
    """
    if not path.is_file():
        raise DataError(f"{path}: not found; a chain writes it, for example `{_CHAIN}`")
    try:
        table = pd.read_csv(path, dtype=str)
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}; a chain writes it anew: `{_CHAIN} --force`") from error
    absent = [column for column in RESULT_COLUMNS if column not in table]
    if absent:
        raise DataError(f"{path}: no column {', '.join(absent)}; expected {', '.join(RESULT_COLUMNS)}, then the axes")
    if table.empty:
        raise DataError(f"{path}: no row below the header; a chain's evaluation stages fill it: `{_CHAIN}`")
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


def _find_runs(folder: Path) -> list[Run]:
    runs = [
        Run(stage.name, "" if place == stage else place.name, place, _read_done(place))
        for stage in _folders(folder)
        for place in [stage, *_folders(stage)]
        if any((place / name).is_file() for name in _RUN_FILES)
    ]
    first_end: dict[str, str] = {}
    for run in runs:
        ended = str(run.done.get("finished", "~"))
        first_end[run.stage] = min(first_end.get(run.stage, "~"), ended)
    return sorted(runs, key=lambda run: (first_end[run.stage], run.stage))


def _folders(parent: Path) -> list[Path]:
    """Folders inside `parent`, with fold=2 before fold=10."""
    inside = [path for path in parent.iterdir() if path.is_dir() and path.name != PREVIOUS]
    return sorted(inside, key=lambda path: [int(t) if t.isdigit() else t for t in re.split(r"(\d+)", path.name)])


def _read_done(folder: Path) -> dict[str, Any]:
    path = folder / "done.json"
    if not path.is_file():
        return {}
    try:
        done = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}); delete it and run the chain again") from error
    if not isinstance(done, dict):
        raise DataError(f"{path}: found {type(done).__name__}, expected an object; delete it and run the chain again")
    return done


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
    if view in VIEWS:
        return list(VIEWS[view].labels)
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
