"""Tables as files: CSV or Parquet, read without guessing and written at once or not at all."""

import csv
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from io import StringIO
from pathlib import Path

import pandas as pd

from datamodules.errors import DataError


def read_table(path: Path) -> pd.DataFrame:
    """Read a table; its ending (.csv or .parquet) says the format.

    Cells of a CSV stay text exactly as they stand in the file. The index, named `line`, is the line on which a row
    begins (the header is line 1), or the number of the row in a Parquet file.

    Raises:
        DataError: missing, empty, not comma-separated, not UTF-8, ragged, broken quotes, a column name twice.
    """
    path = Path(path)
    if path.suffix not in (".csv", ".parquet"):
        raise DataError(f"{path}: found the ending {path.suffix!r}, expected .csv or .parquet")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    table = _read_csv(path) if path.suffix == ".csv" else _read_parquet(path)
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
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    try:
        if path.suffix == ".csv":
            Path(temporary).write_bytes(_csv_text(table).encode())
        else:
            table.to_parquet(temporary, index=False)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _csv_text(table: pd.DataFrame) -> str:
    text = table.to_csv(index=False, lineterminator="\n")
    # The csv module does not quote a lone carriage return, and would end the row there when reading it back.
    return table.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_ALL) if "\r" in text else text


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error})") from error
    table.index = pd.RangeIndex(1, len(table) + 1, name="line")
    return table


def _read_csv(path: Path) -> pd.DataFrame:
    records = _records(path, _decode(path))
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


def _decode(path: Path) -> str:
    data = path.read_bytes()
    if not data.strip():
        raise DataError(f"{path}: the file is empty; expected a header line and a row per clip")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:1000]:
        raise DataError(f"{path}: found UTF-16 or binary data, expected UTF-8; save the table as 'CSV UTF-8'")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}:{line}: found the byte 0x{data[error.start]:02x}, expected UTF-8; "
            "save the table as 'CSV UTF-8', or convert it: iconv -f latin1 -t utf-8"
        ) from error


def _records(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Every row that is not blank, with the line on which it begins."""
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for record in reader:
            if record:
                yield line, record
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{path}:{line}: broken CSV ({error}); look for a quote that is not closed or not doubled"
        ) from error


def _header(path: Path, record: list[str]) -> list[str]:
    names = [name.strip() for name in record]
    for separator, word in ((";", "semicolons"), ("\t", "tabs")):
        if len(names) == 1 and separator in names[0]:
            raise DataError(f"{path}:1: the columns are separated by {word}, expected commas; save it comma-separated")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"{path}:1: column {repeated[0]!r} stands twice in the header; keep one of them")
    if "" in names:
        raise DataError(f"{path}:1: column {names.index('') + 1} has no name in the header")
    return names
