"""How large a table may be before it is taken for a mistake, or an attack, and refused unread."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from datamodules.errors import DataError

COLUMNS = 10_000
CELL = 128 * 1024
"""Letters of one cell."""
LINE = 4 * 1024**2
"""Letters of one line of a CSV file."""
BYTES = 4 * 1024**3
"""Of a Parquet file, when it is decoded: some ten million clips."""


def require_columns(names: Sequence[str], place: Path | str) -> None:
    """Refuse a header with too many columns, a name twice, or a column without a name.

    Args:
        names: Of the columns, in order.
        place: The table and perhaps the line, for the message.
    """
    if len(names) > COLUMNS:
        raise DataError(f"{place}: found {len(names)} columns, expected {COLUMNS} at most; is this a table of clips?")
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise DataError(f"{place}: column {repeated[0]!r} stands twice in the header; keep one of them")
    if "" in names:
        raise DataError(f"{place}: column {names.index('') + 1} has no name in the header")
