"""Parquet tables: what they are made of is looked at before they are decoded."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from datamodules.errors import DataError
from datamodules.manifest.table_limits import BYTES, CELL, require_columns


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a Parquet file; the index, named `line`, is the number of the row, from 1.

    Raises:
        DataError: no such file as Parquet writes it, columns that hold bytes, lists or structures, text that is not
            UTF-8, or anything beyond `datamodules.manifest.table_limits`.
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
        if max(decoded, 8 * facts.num_rows * facts.num_columns) > BYTES:
            raise DataError(
                f"{path}: {facts.num_rows} rows of {facts.num_columns} columns, more than {BYTES} bytes when decoded; "
                "is this a table of clips?"
            )
        table = file.read(use_threads=False)
    table.validate(full=True)
    left = BYTES
    for place, name in enumerate(table.column_names):
        column = table.column(place)
        if types.is_dictionary(column.type):
            left -= _text_bytes(path, name, column)
            if left < 0:
                raise DataError(f"{path}: its texts have more than {BYTES} bytes; is this a table of clips?")
            table = table.set_column(place, name, column.cast(pa.large_string()))
        elif types.is_decimal(column.type):  # as DuckDB writes numbers
            table = table.set_column(place, name, column.cast(pa.float64()))
    return table.drop_columns([name for name in table.column_names if name.startswith("__index_level_")])


def _text_bytes(path: Path, name: str, column: pa.ChunkedArray) -> int:
    """Bytes of a column of texts when every row has its own copy."""
    total = 0
    for chunk in column.chunks:
        lengths = pc.binary_length(chunk.dictionary)
        if (longest := pc.max(lengths).as_py() or 0) > CELL:
            raise DataError(f"{path}: column {name!r} has a cell of {longest} bytes, expected {CELL} at most")
        total += pc.sum(pc.cast(lengths.take(chunk.indices), pa.int64())).as_py() or 0
    return total


def _is_plain(kind: pa.DataType) -> bool:
    plain = (
        *(types.is_integer, types.is_floating, types.is_decimal),
        *(types.is_boolean, types.is_null, types.is_temporal),
    )
    return _is_text(kind) or any(is_kind(kind) for is_kind in plain)


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))
