"""Digest of what a run is trained on: equal rows, texts and settings have an equal one."""

import hashlib
import math
from collections.abc import Iterable
from typing import Any

import pandas as pd

from datamodules.manifest.columns import RATINGS


def digest_of(lines: Iterable[object]) -> str:
    """SHA-256 of the representations of some values, in order; the first 16 hexadecimal digits."""
    found = hashlib.sha256()
    for line in lines:
        found.update(repr(line).encode() + b"\n")
    return found.hexdigest()[:16]


def digest_of_rows(rows: pd.DataFrame, texts: pd.DataFrame) -> str:
    """Digest of what a model is trained on: audio, texts, classes and ratings, in their order.

    Args:
        rows: As ``datamodules.clips.rows.clips_of`` takes them; a path stands for audio of which the manifest has no
            hash.
        texts: The texts of each row, a column for each name.
    """

    def cells(name: str, otherwise: object) -> list[Any]:
        return rows[name].tolist() if name in rows else [otherwise] * len(rows)

    def numbers(name: str) -> list[float]:
        return list(map(float, cells(name, math.nan)))

    paths = rows.get("path", rows.index).tolist()
    audio = [sha256 or path for sha256, path in zip(cells("sha256", ""), paths, strict=True)]
    starts = [0.0 if math.isnan(start) else start for start in numbers("start")]
    ends = [None if math.isnan(end) else end for end in numbers("end")]
    ratings = zip(*(numbers(name) for name in RATINGS), strict=True)
    classes = map(int, cells("target", -1))
    clips = zip(cells("id", ""), audio, starts, ends, classes, ratings, strict=True)
    written = [tuple(texts[name]) for name in sorted(map(str, texts.columns))]
    return digest_of([*clips, *written])


def settings_of(thing: object) -> str:
    """Write an object's class and plain attributes as text; ``None`` for none."""
    if not thing:
        return "None"
    plain = (bool, int, float, str, tuple, list, type(None))
    attributes = {name: value for name, value in vars(thing).items() if isinstance(value, plain)}
    return f"{type(thing).__name__} {attributes}"
