"""What a run is trained on, in one word: equal rows have an equal digest."""

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
    """Digest of what training hears and reads: sounds, texts, classes and ratings, in their order.

    Args:
        rows: As `datamodules.clips.rows.clips_of` takes them; a path stands for a sound of which the manifest has no
            hash.
        texts: What is written about each of them, a column for each name.
    """

    def cells(name: str, otherwise: object) -> list[Any]:
        return rows[name].tolist() if name in rows else [otherwise] * len(rows)

    def numbers(name: str) -> list[float]:
        return list(map(float, cells(name, math.nan)))

    hashes, paths = cells("sha256", ""), rows.get("path", rows.index).tolist()
    sounds = [sha256 or path for sha256, path in zip(hashes, paths, strict=True)]
    starts = [0.0 if math.isnan(start) else start for start in numbers("start")]
    ends = [None if math.isnan(end) else end for end in numbers("end")]
    ratings = zip(*(numbers(name) for name in RATINGS), strict=True)
    classes = map(int, cells("target", -1))
    written = [tuple(texts[name]) for name in sorted(map(str, texts.columns))]
    return digest_of([*zip(cells("id", ""), sounds, starts, ends, classes, ratings, strict=True), *written])


def settings_of(thing: object) -> str:
    """An object's class and plain attributes, as text; ``None`` for none."""
    plain = (bool, int, float, str, tuple, list, type(None))
    attributes = {name: value for name, value in vars(thing).items() if isinstance(value, plain)} if thing else {}
    return f"{type(thing).__name__} {attributes}" if thing else "None"
