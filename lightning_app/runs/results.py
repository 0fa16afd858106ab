"""results.csv: the metrics of a run, a row per system, corpus and metric; and those of several runs in one table.

| column       | what it holds                                                                                |
| ------------ | -------------------------------------------------------------------------------------------- |
| system       | what was measured, such as "zero-shot"                                                       |
| corpus       | on which clips                                                                               |
| label_set    | the name of their set of classes                                                             |
| kind         | score: classes; rating: dimensions; text: answers in words; space: the shared space itself   |
| metric       | its name; metrics are shown in the order in which they stand                                 |
| better       | higher or lower: which values are good                                                       |
| seed, fold   | of the run; empty where there is none                                                        |
| value        | the metric; empty where it cannot be measured                                                |
| n            | clips behind the value                                                                       |

The axes of a chain's matrix are further columns.
"""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from datamodules.files import replacing
from datamodules.manifest.spreadsheet import escaped
from lightning_app.errors import ConfigError
from lightning_app.runs.files import RESULTS_CSV

COLUMNS = ("system", "corpus", "label_set", "kind", "metric", "better", "seed", "fold", "value", "n")
# Beside the kinds of predictions.parquet, the one that has no predictions.
SPACE = "space"


def collect_results(cells: Mapping[Path, Mapping[str, str]], target: Path) -> int:
    """Write the rows of several runs' ``results.csv`` into one file and return their number.

    Each axis of the matrix is a column; ``seed`` and ``fold`` fill the columns of that name.

    Args:
        cells: The label of each axis, by run folder.
        target: The file.

    Raises:
        ConfigError: If a file lacks a column.
    """
    axes = list(dict.fromkeys(axis for cell in cells.values() for axis in cell))
    columns = [*COLUMNS, *(axis for axis in axes if axis not in COLUMNS)]
    rows: list[dict[str, object]] = []
    for folder, cell in cells.items():
        # Texts of the runs' own files are escaped already.
        labels = {axis: escaped(label) for axis, label in cell.items()}
        rows += [{**row, **labels} for row in _rows(folder / RESULTS_CSV)]
    if not rows:
        return 0
    with replacing(target) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    if not path.is_file():
        return
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = set(COLUMNS) - {"seed", "fold"} - set(reader.fieldnames or ())
        if missing:
            raise ConfigError(f"{path}:1: columns missing: {', '.join(sorted(missing))}")
        yield from reader
