"""Parquet tables, whose columns and sizes are checked before they are decoded."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from datamodules.errors import DataError

MAX_COLUMNS = 10_000
MAX_CELL = 128 * 1024
"""Letters of one cell."""
MAX_BYTES = 4 * 1024**3
"""Of a decoded file: some ten million clips."""


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a Parquet file; the index, named ``line``, is the number of the row, from 1.

    Raises:
        DataError: If it is no Parquet file, has columns of bytes, lists or structures, text that is not UTF-8, or more
            of anything than a table of clips has.
    """
    try:
        table = _table(path)
        rows = pd.DataFrame({name: table[name].to_pandas() for name in table.column_names})
    # Arrow's own errors are of a dozen kinds, and damaged files find nearly all of them.
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, OverflowError, MemoryError) as error:
        if isinstance(error, DataError):
            raise
        reason = str(error).strip().splitlines()[:1]
        raise DataError(f"{path}: not a readable Parquet file ({''.join(reason)[:300]})") from error
    rows.index = pd.RangeIndex(1, len(rows) + 1, name="line")
    return rows


def require_columns(names: Sequence[str], location: Path | str) -> None:
    """Refuse a header with too many columns, a name twice, or a column without a name.

    Args:
        names: Of the columns, in order.
        location: The table and perhaps the line, for the message.
    """
    if len(names) > MAX_COLUMNS:
        raise DataError(
            f"{location}: found {len(names)} columns, expected {MAX_COLUMNS} at most; is this a table of clips?"
        )
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise DataError(f"{location}: column {repeated[0]!r} stands twice in the header; keep one of them")
    if "" in names:
        raise DataError(f"{location}: column {names.index('') + 1} has no name in the header")


def _table(path: Path) -> pa.Table:
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
    require_columns(schema.names, path)
    for name, kind in zip(schema.names, schema.types, strict=True):
        if not _is_plain(kind):
            raise DataError(f"{path}: column {name!r} holds {kind}, expected text or numbers; write them as text")
    texts = [name for name, kind in zip(schema.names, schema.types, strict=True) if _is_text(kind)]
    # Texts as numbers of a list of distinct ones: a file of a few bytes can repeat a long text a million times.
    with pq.ParquetFile(path, read_dictionary=texts) as file:
        facts = file.metadata
        decoded = sum(facts.row_group(number).total_byte_size for number in range(facts.num_row_groups))
        if max(decoded, 8 * facts.num_rows * facts.num_columns) > MAX_BYTES:
            raise DataError(
                f"{path}: {facts.num_rows} rows of {facts.num_columns} columns, more than {MAX_BYTES} bytes when "
                "decoded; is this a table of clips?"
            )
        table = file.read(use_threads=False)
    table.validate(full=True)
    left = MAX_BYTES
    for index, name in enumerate(table.column_names):
        column = table.column(index)
        if types.is_dictionary(column.type):
            left -= _text_bytes(path, name, column)
            if left < 0:
                raise DataError(f"{path}: its texts have more than {MAX_BYTES} bytes; is this a table of clips?")
            table = table.set_column(index, name, column.cast(pa.large_string()))
        elif types.is_decimal(column.type):  # as DuckDB writes numbers
            table = table.set_column(index, name, column.cast(pa.float64()))
    return table.drop_columns([name for name in table.column_names if name.startswith("__index_level_")])


def _text_bytes(path: Path, name: str, column: pa.ChunkedArray) -> int:
    """Count the bytes of a column of texts when every row has its own copy."""
    total = 0
    for chunk in column.chunks:
        lengths = pc.binary_length(chunk.dictionary)
        longest = pc.max(lengths).as_py() or 0
        if longest > MAX_CELL:
            raise DataError(f"{path}: column {name!r} has a cell of {longest} bytes, expected {MAX_CELL} at most")
        total += pc.sum(pc.cast(lengths.take(chunk.indices), pa.int64())).as_py() or 0
    return total


def _is_plain(kind: pa.DataType) -> bool:
    number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    return bool(number or _is_text(kind) or types.is_boolean(kind) or types.is_null(kind) or types.is_temporal(kind))


def _is_text(kind: pa.DataType) -> bool:
    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))
