"""Escaping of texts in CSV files that people open: a spreadsheet runs ``=cmd|...`` as a formula."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a chain escapes the results it collects, and starts without pandas
    import pandas as pd

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_ESCAPED = re.compile(r"'+[=+\-@\t\r]")


def escaped(cell: object) -> object:
    """Put an apostrophe before text that a spreadsheet would calculate; numbers, also as text, stay as they are."""
    if isinstance(cell, str) and _FORMULA.match(cell) and not _is_number(cell):
        return f"'{cell}"
    return cell


def unescaped(cell: object) -> object:
    """Undo ``escaped``."""
    return cell[1:] if isinstance(cell, str) and _ESCAPED.match(cell) else cell


def escaped_table(table: "pd.DataFrame") -> "pd.DataFrame":
    """Apply ``escaped`` to every text, in a copy."""
    return _each_text(table, escaped)


def unescaped_table(table: "pd.DataFrame") -> "pd.DataFrame":
    """Undo ``escaped_table``, in a copy."""
    return _each_text(table, unescaped)


def _each_text(table: "pd.DataFrame", change: Callable[[object], object]) -> "pd.DataFrame":
    texts = table.select_dtypes(exclude="number")
    return table.assign(**{str(name): table[name].map(change, na_action="ignore") for name in texts})


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
