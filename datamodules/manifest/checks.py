"""What can be wrong in the cells of a manifest, each mistake with its row, its column and its remedy."""

import math
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datamodules.audio.decoding import ODDITIES
from datamodules.audio.opening import HIGHEST_RATE
from datamodules.audio.patience import patiently
from datamodules.labels import EMOTIONS, did_you_mean, nearest, nearest_emotion

Numbers = NDArray[np.float64]
SPLITS = ("train", "dev", "test")
RATINGS = ("valence", "arousal", "dominance")
"""In the order of the columns of every tensor of ratings."""
LONGEST = 1_000_000
"""Seconds of a recording: eleven days."""
MOST_FOLDS = 9_999


@dataclass(frozen=True)
class Problem:
    """One mistake: the line of the manifest, and what was found and expected there."""

    line: int
    text: str


def parse_numbers(rows: pd.DataFrame, columns: Iterable[str]) -> tuple[pd.DataFrame, list[Problem]]:
    """A copy in which columns are float; cells that are no finite number are NaN there, and returned as problems."""
    problems: list[Problem] = []
    numbers: dict[str, pd.Series] = {}
    for name in columns:
        cells = rows[name].tolist()
        meaning = {cell: _number(cell) for cell in set(cells)}  # most columns repeat few values
        for line, cell in zip(rows.index.tolist(), cells, strict=True):
            if meaning[cell] is None:
                hint = "; write the decimal point as '.'" if re.fullmatch(r"\s*-?\d+,\d+\s*", str(cell)) else ""
                problems.append(Problem(line, f"column {name!r}: found {cell!r}, expected a number or nothing{hint}"))
        numbers[name] = pd.Series([meaning[cell] for cell in cells], rows.index, dtype="float64")
    # All at once: a table that is changed column by column is copied as often.
    others = rows.drop(columns=list(numbers))
    return pd.concat([others, pd.DataFrame(numbers, rows.index)], axis=1)[list(rows)], problems


def check_rows(rows: pd.DataFrame, check_files: bool) -> list[Problem]:
    """Every mistake in rows whose numbers are parsed and whose `id` and `file` are filled in."""
    problems = [*_ids(rows), *_paths(rows), *_labels(rows), *_numbers(rows)]
    return [*problems, *find_files(rows)] if check_files else problems


def find_files(rows: pd.DataFrame) -> Iterator[Problem]:
    """A problem per row whose file is missing; corrects in place a `file` whose name on disk is composed otherwise.

    One listing per folder instead of one look-up per file: on a network disk that is thousands of times fewer.
    """
    folders: dict[str, frozenset[str]] = {}
    renamed: dict[int, str] = {}
    for line, file, written in zip(rows.index.tolist(), rows["file"].tolist(), rows["path"].tolist(), strict=True):
        folder, name = os.path.split(file)
        if folder not in folders:
            folders[folder] = _listing(folder)
        if not written or name in folders[folder]:
            continue
        other = next((form for form in _compositions(file) if os.path.isfile(form)), None)
        if other is None:
            hint = "; write '/' instead of '\\'" if "\\" in written else ""
            yield Problem(line, f"column 'path': found {written!r}, but there is no file {file}{hint}")
        else:
            renamed[line] = other
    if renamed:
        rows["file"] = [renamed.get(line, file) for line, file in _cells(rows, "file")]


def _number(cell: object) -> float | None:
    """The finite number in a cell, NaN for an empty cell, None for anything else."""
    if cell is None or cell is pd.NA or (isinstance(cell, float) and math.isnan(cell)) or cell == "":
        return math.nan
    try:
        value = float(str(cell).replace("_", "?"))  # float() would read 1_000 as a thousand
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _ids(rows: pd.DataFrame) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for line, name in _cells(rows, "id"):
        if _controls(name):
            yield Problem(line, f"column 'id': found {name!r}, with a control character; choose another name")
        elif first.setdefault(name, line) != line:
            remedy = (
                f"expected another name: line {first[name]} has it already; fill the column 'id' with names of your own"
            )
            yield Problem(line, f"column 'id': found {name!r}, {remedy}")


def _paths(rows: pd.DataFrame) -> Iterator[Problem]:
    for line, path in _cells(rows, "path"):
        if not path:
            yield Problem(line, "column 'path': the cell is empty, expected an audio file")
        elif _controls(path):
            yield Problem(line, f"column 'path': found {path!r}, with a control character; rename the file")


def _controls(text: str) -> bool:
    return not text.isprintable() and any(unicodedata.category(letter) == "Cc" for letter in text)


def _labels(rows: pd.DataFrame) -> Iterator[Problem]:
    for name, known in (("emotion", tuple(EMOTIONS)), ("split", SPLITS), ("oddity", tuple(ODDITIES))):
        if name in rows:
            for line, word in _cells(rows, name, ~rows[name].isin([*known, ""])):
                match = nearest_emotion(word) if name == "emotion" else nearest(word, known)
                expected = f"expected one of {', '.join(known)}, or nothing{did_you_mean(match)}"
                yield Problem(line, f"column {name!r}: found {word!r}, {expected}")
    if "sha256" in rows:
        for line, digest in _cells(rows, "sha256", ~rows["sha256"].str.fullmatch("[0-9a-f]{64}|")):
            yield Problem(line, f"column 'sha256': found {digest!r}, expected 64 hexadecimal digits or nothing")


def _numbers(rows: pd.DataFrame) -> Iterator[Problem]:
    start = rows["start"].fillna(0.0).to_numpy() if "start" in rows else np.zeros(len(rows))
    rules: dict[str, tuple[Callable[[Numbers], NDArray[np.bool_]], str]] = {
        **dict.fromkeys(RATINGS, (lambda cells: (cells < 1) | (cells > 7), "1 to 7; rescale ratings of another scale")),
        "sample_rate": (
            lambda cells: (cells <= 0) | (cells > HIGHEST_RATE) | (cells % 1 > 0),
            f"more than 0, a whole number, and at most {HIGHEST_RATE}",
        ),
        "duration": (lambda cells: (cells <= 0) | (cells > LONGEST), f"more than 0, and at most {LONGEST} seconds"),
        "start": (lambda cells: (cells < 0) | (cells > LONGEST), f"0 or more, and at most {LONGEST} seconds"),
        "end": (
            lambda cells: (cells <= start) | (cells > LONGEST),
            f"more than the row's start, and at most {LONGEST} seconds",
        ),
        **dict.fromkeys(
            _folds(rows),
            (
                lambda cells: (cells < 0) | (cells > MOST_FOLDS) | (cells % 1 > 0),
                f"a whole number from 0, at most {MOST_FOLDS}, or nothing",
            ),
        ),
    }
    lines = rows.index.to_numpy()
    for name, (is_wrong, expected) in rules.items():
        if name in rows:
            cells = rows[name].to_numpy(np.float64)
            for place in np.flatnonzero(is_wrong(cells)):
                yield Problem(int(lines[place]), f"column {name!r}: found {cells[place]:g}, expected {expected}")


def _folds(rows: pd.DataFrame) -> list[str]:
    return [str(name) for name in rows if str(name).startswith("fold_")]


def _cells(rows: pd.DataFrame, column: str, mask: pd.Series | None = None) -> Iterator[tuple[int, Any]]:
    """Line and content of the cells of a column, where `mask` says so."""
    cells = rows[column] if mask is None else rows.loc[mask, column]
    return zip(cells.index.tolist(), cells.tolist(), strict=True)


def _listing(folder: str) -> frozenset[str]:
    def names() -> frozenset[str]:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries if entry.is_file())

    try:
        return patiently(names)
    except (OSError, ValueError):
        return frozenset()


def _compositions(path: str) -> tuple[str, str]:
    """The same name with accents composed and decomposed: archives made on a Mac hold the second."""
    return unicodedata.normalize("NFC", path), unicodedata.normalize("NFD", path)
