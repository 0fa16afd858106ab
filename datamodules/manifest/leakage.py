"""Leakage between splits: speakers, sentences or audio that two of them share."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from datamodules.errors import DataError
from datamodules.manifest.columns import fold_columns
from datamodules.manifest.folds import speaker_keys

Pair = tuple[str, str]
Overlap = dict[str, list[int]]  # split -> lines of the rows that share one thing

# Train and dev, too: a checkpoint that is chosen on voices it was trained on need not be the best one for new voices.
APART: tuple[Pair, ...] = (("train", "test"), ("dev", "test"), ("train", "dev"))


class _Part(NamedTuple):
    """A stretch of a recording, in seconds, and where the manifest has it."""

    start: float
    end: float
    split: str
    line: int


def check_disjoint(rows: pd.DataFrame, manifest: Path, by: Sequence[str] = ("speaker",)) -> dict[str, int]:
    """Refuse splits that share a speaker, a transcript, or audio.

    A recording may never stand in two splits: neither the same stretch of the same file nor of equal files (sha256).

    Args:
        rows: A manifest read by ``read_manifest``, with a ``split`` column.
        manifest: Where the rows are from, for the message.
        by: Columns whose values splits may not share: speaker (within its corpus), transcript (whatever its case), ...

    Returns:
        By column of ``by``, how many rows could not be checked, because the cell is empty; only columns that have any.

    Raises:
        DataError: With what is shared, by which splits, in which rows.
    """
    used = rows[rows["split"] != ""]
    found = [f"the same audio, {name}: {_describe(pair, lines)}" for name, pair, lines in _shared_audio(used)]
    unknown: dict[str, int] = {}
    for column in by:
        cells = _cells(used, column)
        if count := int((cells == "").sum()):
            unknown[column] = count
        known = zip(cells.tolist(), used["split"].tolist(), used.index.tolist(), strict=True)
        groups = _grouped((value, split, line) for value, split, line in known if value)
        for name, pair, lines in _overlaps_of(groups):
            # A speaker whose corpus has no name is "/anna".
            found.append(f"{column} {name.removeprefix('/')!r}: {_describe(pair, lines)}")
    if found:
        listed = "\n".join(f"  {text}" for text in found[:5])
        more = f"\n  ... and {len(found) - 5} more" if len(found) > 5 else ""
        same = any(text.startswith("the same audio") for text in found)
        audio = ", and leave each recording in the table once" if same else ""
        raise DataError(
            f"{manifest}: splits are not independent, {len(found)} overlap{'s' * (len(found) > 1)}\n{listed}{more}\n"
            f"  correct the column 'split'{_other_folds(rows, by)}{audio}; "
            "what splits may share is left out of data.split.disjoint"
        )
    return unknown


def _other_folds(rows: pd.DataFrame, by: Sequence[str]) -> str:
    """Offer the manifest's own protocols whose folds share nothing of ``by``, and no recording; or nothing."""
    compared = [_cells(rows, name) for name in (*by, "file", "sha256")]
    names = []
    for column in fold_columns(rows):
        folds = rows[column]
        disjoint = all(folds.groupby(cells[cells != ""]).nunique().le(1).all() for cells in compared)
        if disjoint and folds.nunique() > 1:
            names.append(column.removeprefix("fold_"))
    if not names:
        return ""
    return f", or choose folds that keep these apart (--data.split.protocol {' or '.join(names[:3])})"


def _cells(rows: pd.DataFrame, column: str) -> pd.Series:
    """Normalize what is compared: text without case and spacing, speakers with their corpus before their name."""
    if column == "speaker":
        return speaker_keys(rows)
    if column not in rows:
        return pd.Series("", index=rows.index, dtype="str")
    cells = rows[column].astype("str")
    return cells.str.casefold().str.split().str.join(" ") if column == "transcript" else cells


def _grouped(cells: Iterable[tuple[str, str, int]]) -> dict[str, Overlap]:
    groups: defaultdict[str, Overlap] = defaultdict(lambda: defaultdict(list))
    for value, split, line in cells:
        groups[value][split].append(line)
    return groups


def _overlaps_of(groups: dict[str, Overlap]) -> Iterator[tuple[str, Pair, Overlap]]:
    for value, lines in groups.items():
        for pair in APART:
            if pair[0] in lines and pair[1] in lines:
                yield value, pair, lines


def _shared_audio(rows: pd.DataFrame) -> Iterator[tuple[str, Pair, Overlap]]:
    """Find stretches of one file, or of files with equal contents, that overlap and stand in two splits."""
    start = rows["start"].fillna(0.0) if "start" in rows else pd.Series(0.0, index=rows.index)
    end = rows["end"].fillna(math.inf) if "end" in rows else pd.Series(math.inf, index=rows.index)
    cells = zip(start.tolist(), end.tolist(), rows["split"].tolist(), rows.index.tolist(), strict=True)
    parts = [_Part(*cell) for cell in cells]
    unknown = [""] * len(parts)
    by_file: defaultdict[str, list[_Part]] = defaultdict(list)
    for column in ("file", "sha256"):
        names = rows[column].tolist() if column in rows else unknown
        for name, part in zip(names, parts, strict=True):
            if name:
                by_file[name].append(part)
    seen: set[tuple[int, int]] = set()
    for name, together in by_file.items():
        for pair in _overlapping_pairs(sorted(together)):
            first, second = sorted(pair, key=lambda part: part.line)
            if (first.line, second.line) not in seen:
                seen.add((first.line, second.line))
                yield name, (first.split, second.split), {first.split: [first.line], second.split: [second.line]}


def _overlapping_pairs(parts: list[_Part]) -> Iterator[tuple[_Part, _Part]]:
    """Pair parts of different splits that overlap, of parts sorted by start: each with the farthest-reaching ones."""
    reach: dict[str, _Part] = {}
    for part in parts:
        for earlier in reach.values():
            if earlier.split != part.split and earlier.end > part.start:
                yield earlier, part
        if part.split not in reach or reach[part.split].end < part.end:
            reach[part.split] = part


def _describe(pair: Pair, lines: Overlap) -> str:
    return " and ".join(f"{split} ({_list_lines(lines[split])})" for split in pair)


def _list_lines(lines: list[int]) -> str:
    shown = ", ".join(map(str, lines[:3]))
    if len(lines) > 3:
        shown += f", ... {len(lines)} in all"
    return f"line{'s' * (len(lines) > 1)} {shown}"
