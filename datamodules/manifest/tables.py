"""Tables as files: CSV or Parquet, read without guessing and written at once or not at all."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import pandas as pd

from datamodules.errors import DataError
from datamodules.files import replacing
from datamodules.manifest.parquet_table import MAX_CELL, read_parquet, require_columns

MAX_LINE = 4 * 1024**2
"""Bytes of one line of a CSV file."""


def read_table(path: Path) -> pd.DataFrame:
    """Read a table, whose format its ending names: .csv or .parquet.

    Cells of a CSV stay text exactly as they stand in the file. The index, named ``line``, is the line on which a row
    begins (the header is line 1), or the number of the row in a Parquet file.

    Raises:
        DataError: If it is missing, empty, not UTF-8, ragged, of broken quotes, not separated by commas, unreadable, or
            too large to be a table of clips; or if a column name stands twice or is empty.
    """
    path = Path(path)
    _require_format(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    table = _read_csv(path) if path.suffix == ".csv" else read_parquet(path)
    if table.empty:
        raise DataError(f"{path}: the table has a header but no rows")
    return table


def table_of(rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """Make a table of a mapping per row.

    Raises:
        DataError: If a text is not Unicode, such as a file name of an older system.
    """
    try:
        return pd.DataFrame(list(rows))
    except UnicodeEncodeError as error:
        raise DataError(f"found {error.object!r}, which cannot be written as UTF-8; rename that file") from error


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV or Parquet by its ending: into a temporary file beside it, then renamed.

    Raises:
        DataError: If the ending is another.
    """
    path = Path(path)
    _require_format(path)
    with replacing(path) as part:
        if path.suffix == ".parquet":
            table.to_parquet(part, index=False)
            return
        text = table.to_csv(index=False, lineterminator="\n")
        if "\r" in text:
            # The csv module does not quote a lone carriage return, and would end the row there when reading it back.
            text = table.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_ALL)
        part.write_bytes(text.encode())


def _require_format(path: Path) -> None:
    if path.suffix not in (".csv", ".parquet"):
        raise DataError(f"{path}: found the ending {path.suffix!r}, expected .csv or .parquet")


def _read_csv(path: Path) -> pd.DataFrame:
    records = _records(path)
    _, header = next(records, (1, []))
    names = _column_names(path, header)
    lines: list[int] = []
    cells: list[list[str]] = []
    for line, record in records:
        if len(record) != len(names):
            raise DataError(
                f"{path}:{line}: found {len(record)} cells, expected {len(names)} as in the header; "
                'write a cell that holds a comma in quotes: "so, that it stays one"'
            )
        lines.append(line)
        cells.append(record)
    index = pd.Index(lines, dtype="int64", name="line")
    return pd.DataFrame(cells, columns=names, index=index, dtype="str")


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield every row that is not blank, with the line on which it begins; pandas tells of no lines."""
    with path.open("rb") as file:
        reader = csv.reader(_lines(path, file), strict=True)
        line = 1
        try:
            for record in reader:
                if record:
                    yield line, record
                line = reader.line_num + 1
        except csv.Error as error:
            if "field limit" in str(error):
                message = f"a cell has more than {MAX_CELL} letters; is a quote not closed?"
            else:
                message = f"broken CSV ({error}); look for a quote that is not closed or not doubled"
            raise DataError(f"{path}:{line}: {message}") from error


def _lines(path: Path, file: BinaryIO) -> Iterator[str]:
    head = file.read(1000)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head:
        raise DataError(f"{path}: found UTF-16 or binary data, expected UTF-8; save the table as 'CSV UTF-8'")
    file.seek(len(b"\xef\xbb\xbf") if head.startswith(b"\xef\xbb\xbf") else 0)
    number = 0
    while chunk := file.readline(MAX_LINE):
        if len(chunk) == MAX_LINE:
            raise DataError(f"{path}:{number + 1}: the line has {MAX_LINE} bytes or more; is this a table of clips?")
        for line in chunk.splitlines(keepends=True):  # a carriage return alone ends a line, too
            number += 1
            try:
                yield line.decode()
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{path}:{number}: found the byte 0x{line[error.start]:02x}, expected UTF-8; "
                    "save the table as 'CSV UTF-8', or convert it: iconv -f latin1 -t utf-8"
                ) from None


def _column_names(path: Path, header: list[str]) -> list[str]:
    names = [name.strip() for name in header]
    if not any(names):
        raise DataError(f"{path}: the file is empty; expected a header line and a row per clip")
    for separator, word in ((";", "semicolons"), ("\t", "tabs")):
        if len(names) == 1 and separator in names[0]:
            raise DataError(f"{path}:1: the columns are separated by {word}, expected commas; save it comma-separated")
    require_columns(names, f"{path}:1")
    return names
