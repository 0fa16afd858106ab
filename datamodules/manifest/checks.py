"""Checks of a manifest's cells; each mistake is reported with its row, its column and its remedy."""

import math
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datamodules.audio.decoding import ODDITIES
from datamodules.audio.opening import HIGHEST_RATE, retry
from datamodules.labels import EMOTIONS, did_you_mean, nearest, nearest_emotion
from datamodules.manifest.columns import RATINGS, SPLITS, fold_columns

MAX_SECONDS = 1_000_000
"""Longest recording: eleven days."""
MAX_FOLD = 9_999


@dataclass(frozen=True)
class Problem:
    """A mistake: the line of the manifest, and what was found and expected there."""

    line: int
    text: str


class Range(NamedTuple):
    """The numbers that a column may hold: in words, and as the test for those that it may not."""

    expected: str
    is_outside: Callable[[NDArray[np.float64]], NDArray[np.bool_]]


def parse_numbers(rows: pd.DataFrame, columns: Iterable[str]) -> tuple[pd.DataFrame, list[Problem]]:
    """Convert columns to float in a copy; cells that are no finite number become NaN, and are returned as problems."""
    problems: list[Problem] = []
    numbers: dict[str, pd.Series] = {}
    for name in columns:
        cells = rows[name].tolist()
        parsed = {cell: _parse_number(cell) for cell in set(cells)}  # most columns repeat few values
        for line, cell in zip(rows.index.tolist(), cells, strict=True):
            if parsed[cell] is None:
                hint = "; write the decimal point as '.'" if re.fullmatch(r"\s*-?\d+,\d+\s*", str(cell)) else ""
                problems.append(Problem(line, f"column {name!r}: found {cell!r}, expected a number or nothing{hint}"))
        numbers[name] = pd.Series([parsed[cell] for cell in cells], rows.index, dtype="float64")
    # All at once: a table that is changed column by column is copied as often.
    others = rows.drop(columns=list(numbers))
    return pd.concat([others, pd.DataFrame(numbers, rows.index)], axis=1)[list(rows)], problems


def check_rows(rows: pd.DataFrame, check_files: bool) -> list[Problem]:
    """Find every mistake in rows whose numbers are parsed and whose ``id`` and ``file`` are filled in."""
    problems = [*_check_ids(rows), *_check_paths(rows), *_check_labels(rows), *_check_numbers(rows)]
    if check_files:
        problems += find_files(rows)
    return problems


def find_files(rows: pd.DataFrame) -> Iterator[Problem]:
    """Yield a problem per row whose file is missing; correct in place a name whose accents are composed otherwise.

    One listing per folder instead of one look-up per file: on a network disk that is thousands of times fewer.
    """
    folders: dict[str, frozenset[str]] = {}
    renamed: dict[int, str] = {}
    for line, file, written in zip(rows.index.tolist(), rows["file"].tolist(), rows["path"].tolist(), strict=True):
        folder, name = os.path.split(file)
        if folder not in folders:
            folders[folder] = _list_files(folder)
        if not written or name in folders[folder]:
            continue
        # Archives made on a Mac hold names with decomposed accents.
        spellings = [unicodedata.normalize("NFC", file), unicodedata.normalize("NFD", file)]
        existing = [spelling for spelling in spellings if os.path.isfile(spelling)]
        if existing:
            renamed[line] = existing[0]
        else:
            hint = "; write '/' instead of '\\'" if "\\" in written else ""
            yield Problem(line, f"column 'path': found {written!r}, but there is no file {file}{hint}")
    if renamed:
        rows["file"] = [renamed.get(line, file) for line, file in _cells(rows, "file")]


def _parse_number(cell: object) -> float | None:
    """Return the finite number in a cell, NaN for an empty cell, None for anything else."""
    if cell is None or cell is pd.NA or (isinstance(cell, float) and math.isnan(cell)) or cell == "":
        return math.nan
    try:
        value = float(str(cell).replace("_", "?"))  # float() would read 1_000 as a thousand
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _check_ids(rows: pd.DataFrame) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for line, name in _cells(rows, "id"):
        if _has_control_character(name):
            yield Problem(line, f"column 'id': found {name!r}, with a control character; choose another name")
        elif first.setdefault(name, line) != line:
            remedy = f"line {first[name]} has it already; fill the column 'id' with names of your own"
            yield Problem(line, f"column 'id': found {name!r}, expected another name: {remedy}")


def _check_paths(rows: pd.DataFrame) -> Iterator[Problem]:
    for line, path in _cells(rows, "path"):
        if not path:
            yield Problem(line, "column 'path': the cell is empty, expected an audio file")
        elif _has_control_character(path):
            yield Problem(line, f"column 'path': found {path!r}, with a control character; rename the file")


def _has_control_character(text: str) -> bool:
    return not text.isprintable() and any(unicodedata.category(letter) == "Cc" for letter in text)


def _check_labels(rows: pd.DataFrame) -> Iterator[Problem]:
    for name, known in (("emotion", tuple(EMOTIONS)), ("split", SPLITS), ("oddity", tuple(ODDITIES))):
        if name not in rows:
            continue
        for line, word in _cells(rows, name, ~rows[name].isin([*known, ""])):
            match = nearest_emotion(word) if name == "emotion" else nearest(word, known)
            expected = f"expected one of {', '.join(known)}, or nothing{did_you_mean(match)}"
            yield Problem(line, f"column {name!r}: found {word!r}, {expected}")
    if "sha256" in rows:
        for line, digest in _cells(rows, "sha256", ~rows["sha256"].str.fullmatch("[0-9a-f]{64}|")):
            yield Problem(line, f"column 'sha256': found {digest!r}, expected 64 hexadecimal digits or nothing")


def _check_numbers(rows: pd.DataFrame) -> Iterator[Problem]:
    """Compare each column of numbers with its range; NaN, an empty cell, is outside of none."""
    start = rows["start"].fillna(0.0).to_numpy() if "start" in rows else np.zeros(len(rows))
    rating = Range("1 to 7; rescale ratings of another scale", lambda cells: (cells < 1) | (cells > 7))
    fold = Range(
        f"a whole number from 0, at most {MAX_FOLD}, or nothing",
        lambda cells: (cells < 0) | (cells > MAX_FOLD) | (cells % 1 > 0),
    )
    ranges = {
        **dict.fromkeys(RATINGS, rating),
        "sample_rate": Range(
            f"more than 0, a whole number, and at most {HIGHEST_RATE}",
            lambda cells: (cells <= 0) | (cells > HIGHEST_RATE) | (cells % 1 > 0),
        ),
        "duration": Range(
            f"more than 0, and at most {MAX_SECONDS} seconds", lambda cells: (cells <= 0) | (cells > MAX_SECONDS)
        ),
        "start": Range(
            f"0 or more, and at most {MAX_SECONDS} seconds", lambda cells: (cells < 0) | (cells > MAX_SECONDS)
        ),
        "end": Range(
            f"more than the row's start, and at most {MAX_SECONDS} seconds",
            lambda cells: (cells <= start) | (cells > MAX_SECONDS),
        ),
        **dict.fromkeys(fold_columns(rows), fold),
    }
    lines = rows.index.tolist()
    for name, allowed in ranges.items():
        if name in rows:
            cells = rows[name].to_numpy(np.float64)
            for index in np.flatnonzero(allowed.is_outside(cells)):
                yield Problem(lines[index], f"column {name!r}: found {cells[index]:g}, expected {allowed.expected}")


def _cells(rows: pd.DataFrame, column: str, mask: pd.Series | None = None) -> Iterator[tuple[int, Any]]:
    """Pair line and content of the cells of a column, where ``mask`` is true."""
    cells = rows[column] if mask is None else rows.loc[mask, column]
    return zip(cells.index.tolist(), cells.tolist(), strict=True)


def _list_files(folder: str) -> frozenset[str]:
    def names() -> frozenset[str]:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries if entry.is_file())

    try:
        return retry(names)
    except (OSError, ValueError):
        return frozenset()
