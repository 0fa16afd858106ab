"""Tables as files: CSV or Parquet, read without guessing and written at once or not at all."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from datamodules.errors import DataError
from datamodules.files import replacing
from datamodules.manifest.csv_table import read_csv
from datamodules.manifest.parquet_table import read_parquet


def read_table(path: Path) -> pd.DataFrame:
    """Read a table; its ending (.csv or .parquet) says the format.

    Cells of a CSV stay text exactly as they stand in the file. The index, named `line`, is the line on which a row
    begins (the header is line 1), or the number of the row in a Parquet file.

    Raises:
        DataError: missing, empty, unreadable, or too large; see `read_csv` and `read_parquet`.
    """
    path = Path(path)
    if path.suffix not in (".csv", ".parquet"):
        raise DataError(f"{path}: found the ending {path.suffix!r}, expected .csv or .parquet")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    table = read_csv(path) if path.suffix == ".csv" else read_parquet(path)
    if table.empty:
        raise DataError(f"{path}: the table has a header but no rows")
    return table


def table_of(rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """A table from a mapping per row.

    Raises:
        DataError: text that is not Unicode, such as a file name of an older system.
    """
    try:
        return pd.DataFrame(list(rows))
    except UnicodeEncodeError as error:
        raise DataError(f"found {error.object!r}, which cannot be written as UTF-8; rename that file") from error


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV or Parquet by its ending: into a temporary file beside it, then renamed.

    Raises:
        DataError: another ending.
    """
    path = Path(path)
    if path.suffix not in (".csv", ".parquet"):
        raise DataError(f"{path}: found the ending {path.suffix!r}, expected .csv or .parquet")
    with replacing(path) as part:
        if path.suffix == ".csv":
            part.write_bytes(_csv_text(table).encode())
        else:
            table.to_parquet(part, index=False)


def _csv_text(table: pd.DataFrame) -> str:
    text = table.to_csv(index=False, lineterminator="\n")
    # The csv module does not quote a lone carriage return, and would end the row there when reading it back.
    return table.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_ALL) if "\r" in text else text
