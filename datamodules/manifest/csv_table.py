"""CSV tables read a line at a time, without guessing: every cell stays the text that stands in the file."""

import csv
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path

import pandas as pd

from datamodules.errors import DataError
from datamodules.manifest.table_limits import CELL, LINE, require_columns


def read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV file; the index, named `line`, is the line on which a row begins.

    Raises:
        DataError: empty, not comma-separated, not UTF-8, ragged, broken quotes, a column name twice, or a cell, a line
            or a header beyond `datamodules.manifest.table_limits`.
    """
    records = _records(path)
    header = _header(path, next(records, (1, []))[1])
    lines: list[int] = []
    cells: list[list[str]] = []
    for line, record in records:
        if len(record) != len(header):
            raise DataError(
                f"{path}:{line}: found {len(record)} cells, expected {len(header)} as in the header; "
                'write a cell that holds a comma in quotes: "so, that it stays one"'
            )
        lines.append(line)
        cells.append(record)
    index = pd.Index(lines, dtype="int64", name="line")
    return pd.DataFrame(cells, columns=header, index=index, dtype="str")


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Every row that is not blank, with the line on which it begins."""
    with path.open("rb") as data:
        head = data.read(1000)
        if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head:
            raise DataError(f"{path}: found UTF-16 or binary data, expected UTF-8; save the table as 'CSV UTF-8'")
        data.seek(0)
        reader = csv.reader(_lines(path, TextIOWrapper(data, "utf-8-sig", newline="")), strict=True)
        line = 1
        try:
            for record in reader:
                if record:
                    yield line, record
                line = reader.line_num + 1
        except csv.Error as error:
            if "field limit" in str(error):
                raise DataError(f"{path}:{line}: a cell has more than {CELL} letters; is a quote not closed?") from None
            raise DataError(
                f"{path}:{line}: broken CSV ({error}); look for a quote that is not closed or not doubled"
            ) from error
        except UnicodeDecodeError:
            raise _not_utf8(path) from None


def _lines(path: Path, text: TextIOWrapper) -> Iterator[str]:
    number = 0
    while line := text.readline(LINE):
        number += 1
        if len(line) == LINE:
            raise DataError(f"{path}:{number}: the line has {LINE} letters or more; is this a table of clips?")
        yield line


def _not_utf8(path: Path) -> DataError:
    """The message with the line and the byte, which a decoder that reads ahead does not know."""
    with path.open("rb") as data:
        line = 1
        while piece := data.readline(LINE):
            try:
                piece.decode()
            except UnicodeDecodeError as error:
                return DataError(
                    f"{path}:{line}: found the byte 0x{piece[error.start]:02x}, expected UTF-8; "
                    "save the table as 'CSV UTF-8', or convert it: iconv -f latin1 -t utf-8"
                )
            line += piece.endswith(b"\n")
    return DataError(f"{path}: is not UTF-8; save the table as 'CSV UTF-8'")


def _header(path: Path, record: list[str]) -> list[str]:
    names = [name.strip() for name in record]
    if not any(names):
        raise DataError(f"{path}: the file is empty; expected a header line and a row per clip")
    for separator, word in ((";", "semicolons"), ("\t", "tabs")):
        if len(names) == 1 and separator in names[0]:
            raise DataError(f"{path}:1: the columns are separated by {word}, expected commas; save it comma-separated")
    require_columns(names, f"{path}:1")
    return names
