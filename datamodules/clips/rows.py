"""From rows of a manifest to clips: plain objects, which loader processes share without copying a table."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from datamodules.audio.reading import AudioSegment
from datamodules.errors import DataError
from datamodules.manifest.columns import RATINGS


@dataclass(frozen=True)
class Clip:
    """One row of a split: where the sound is, and what is known of it."""

    id: str
    corpus: str
    place: str
    label: int
    rating: tuple[float, float, float]
    recording: AudioSegment
    sha256: str
    texts: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, float] = field(default_factory=dict)


def clips_of(
    rows: pd.DataFrame, texts: pd.DataFrame, manifest: str, corpus: str, numbers: pd.DataFrame | None = None
) -> list[Clip]:
    """One clip for each row, in order.

    Args:
        rows: What `read_manifest` returns, with ``target`` (the class, -1 for none).
        texts: What is written about rows, by the rows' index, a column for each name; empty where nothing is.
        manifest: The manifest's name, for messages about a clip.
        corpus: The corpus of rows that name none.
        numbers: What `numbers_of` made of further columns, by the rows' index.
    """
    written = _records(texts.loc[rows.index]) if len(texts.columns) and len(texts) else [{}] * len(rows)
    further = [{}] * len(rows) if numbers is None else _records(numbers.loc[rows.index])
    return [
        Clip(
            id=row["id"],
            corpus=row.get("corpus", "") or corpus,
            place=f"{manifest}:{line}",
            label=row["target"],
            rating=tuple(_number(row.get(name), math.nan) for name in RATINGS),
            recording=AudioSegment(
                row["file"],
                _number(row.get("start"), 0.0),
                _number(row.get("end")),
                _number(row.get("duration")),
                None if (rate := _number(row.get("sample_rate"))) is None else int(rate),
            ),
            sha256=row.get("sha256", ""),
            texts=each,
            columns=columns,
        )
        for line, row, each, columns in zip(rows.index, _records(rows), written, further, strict=True)
    ]


def numbers_of(rows: pd.DataFrame, columns: Sequence[str], manifest: object) -> pd.DataFrame:
    """Columns of a manifest as numbers, for losses that compare clips by them.

    A column of numbers stays as it is. In one of words, each value is its place among the column's values in
    alphabetical order, so that equal numbers are equal values. An empty cell is NaN.

    Args:
        rows: Rows of the manifest; their index counts its lines.
        columns: Names of the columns.
        manifest: Name of the manifest, for messages.

    Raises:
        DataError: If there is no such column, or one holds both numbers and words.

    >>> rows = pd.DataFrame({"room": ["studio", "office", ""], "tension": ["3.5", "", "1"]})
    >>> numbers_of(rows, ["room", "tension"], "m.csv")
       room  tension
    0   1.0      3.5
    1   0.0      NaN
    2   NaN      1.0
    """
    found = {}
    for column in columns:
        if column not in rows:
            raise DataError(
                f"{manifest}: has no column {column!r}, which data.columns names; it has {', '.join(map(str, rows))}"
            )
        cells = rows[column].where(rows[column] != "", None)
        number = pd.to_numeric(cells, errors="coerce").astype(float)
        words = cells[number.isna() & cells.notna()]
        if len(words) and number.notna().any():
            raise DataError(
                f"{manifest}:{words.index[0]} column {column!r}: found {words.iloc[0]!r} among numbers "
                f"({len(words)} of {cells.notna().sum()} cells are none); correct it or leave it empty, or write words "
                "in every row for a column of categories"
            )
        if len(words):
            place = pd.Series(pd.factorize(cells, sort=True)[0], rows.index).astype(float)
            number = place.where(place >= 0)
        found[column] = number
    return pd.DataFrame(found, index=rows.index)


def require_filled(rows: pd.DataFrame, columns: Sequence[str], manifest: object) -> None:
    """Refuse rows in which one of the columns is empty.

    Raises:
        DataError: With the first five rows and how many there are in all.
    """
    for column in columns:
        empty = rows.index if column not in rows else rows.index[rows[column].isna() | (rows[column] == "")]
        if len(empty):
            more = f" and {len(empty) - 5} more" if len(empty) > 5 else ""
            raise DataError(
                f"{manifest}: column {column!r} is empty or missing in {len(empty)} of {len(rows)} rows, and what is "
                f"trained here learns from it: line {', '.join(map(str, empty[:5]))}{more}; fill it in, remove these "
                "rows, or choose a stage that does without"
            )


def odd_sounds(rows: pd.DataFrame) -> str:
    """Count what `prepare` heard to be silent, clipped and the like; nothing where it heard no such."""
    cells = rows["oddity"][rows["oddity"] != ""] if "oddity" in rows else pd.Series(dtype="str")
    counts = cells.value_counts().sort_index().items()
    return f"odd sounds among them: {', '.join(f'{count} {name}' for name, count in counts)}" if len(cells) else ""


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return rows.to_dict("records")  # type: ignore[return-value]  # the columns' names are text


def _number(cell: object, otherwise: Any = None) -> Any:
    return float(cell) if isinstance(cell, int | float) and not math.isnan(cell) else otherwise
