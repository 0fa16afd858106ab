"""Gather the results of a chain's test stages into one table."""

import csv
from collections.abc import Sequence
from pathlib import Path

from datamodules.files import replacing
from datamodules.manifest.spreadsheet import escaped
from lightning_app.chain.matrix import Run
from lightning_app.errors import ConfigError
from lightning_app.runs.files import RESULTS_CSV
from lightning_app.runs.results import COLUMNS


def gather(runs: Sequence[Run], target: Path) -> int:
    """Write the rows of every run's ``results.csv`` into one file and return their number.

    Each axis of the matrix is a column; ``seed`` and ``fold`` fill the columns of that name.

    Raises:
        ConfigError: If a file lacks a column.
    """
    axes = list(dict.fromkeys(axis for run in runs for axis in run.cell))
    columns = [*COLUMNS, *(axis for axis in axes if axis not in COLUMNS)]
    rows = [{**row, **_cells(run)} for run in runs for row in _rows(run.folder / RESULTS_CSV)]
    if not rows:
        return 0
    with replacing(target) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


def _cells(run: Run) -> dict[str, object]:
    """The run's place in the matrix, as its stage's file has its texts already: no spreadsheet calculates them."""
    return {axis: escaped(value) for axis, value in run.cell.items()}


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = set(COLUMNS) - {"seed", "fold"} - set(reader.fieldnames or ())
        if missing:
            raise ConfigError(f"{path}:1: columns missing: {', '.join(sorted(missing))}")
        return list(reader)
