"""What a run is trained on, in one word: equal rows have an equal digest."""

import hashlib
from collections.abc import Iterable

import pandas as pd

from datamodules.clips import Clip


def digest_of(lines: Iterable[object]) -> str:
    """SHA-256 of the representations of some values, in order; the first 16 hexadecimal digits."""
    found = hashlib.sha256()
    for line in lines:
        found.update(repr(line).encode() + b"\n")
    return found.hexdigest()[:16]


def digest_of_clips(clips: Iterable[Clip], rows: pd.DataFrame) -> str:
    """Digest of what training hears and reads: sounds, texts, classes and ratings, in their order.

    Args:
        clips: One for each row.
        rows: The manifest's; a file stands for its sound where the manifest has no hash of it.
    """
    return digest_of(
        (
            clip.id, clip.sha256 or path, clip.recording.start, clip.recording.end,
            int(clip.label), tuple(map(float, clip.rating)), clip.caption, clip.tags,
        )
        for clip, path in zip(clips, rows.get("path", rows.index), strict=True)
    )  # fmt: skip


def settings_of(thing: object) -> str:
    """An object's class and plain attributes, as text; ``None`` for none."""
    plain = (bool, int, float, str, tuple, list, type(None))
    attributes = {name: value for name, value in vars(thing).items() if isinstance(value, plain)} if thing else {}
    return f"{type(thing).__name__} {attributes}" if thing else "None"
