"""Vectors of clips and texts as data: what frozen encoders made of them once, so that training need not run them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from datamodules.audio.reading import AudioFormat
from datamodules.clips.rows import Clip
from datamodules.errors import DataError


class FeatureRows(Protocol):
    """Vectors by number: an array, or files that are read as they are needed."""

    def __getitem__(self, numbers: list[int]) -> NDArray[np.float32]:
        """Return these rows, [n, D]."""


@dataclass(frozen=True)
class SplitFeatures:
    """The vectors of some clips and of their texts.

    Args:
        clips: By encoder (``audio``, ``local``), a row for each clip, in order.
        texts: A row for each text that ``number`` knows; None where texts have no vectors.
        number: The row of each text.
        unreadable: What is wrong with recordings that could not be read, by the number of the clip.
        complete: Every encoder that hears has its rows here, so that no sound need be read.
    """

    clips: Mapping[str, FeatureRows] = field(default_factory=dict)
    texts: FeatureRows | None = None
    number: Mapping[str, int] = field(default_factory=dict)
    unreadable: Mapping[int, str] = field(default_factory=dict)
    complete: bool = False


FeatureSource: TypeAlias = Callable[[Sequence[Clip], AudioFormat, bool], SplitFeatures]
"""Called with clips, how they are read, and whether each is read alike in every epoch."""


def no_features(clips: Sequence[Clip], form: AudioFormat, same_sound: bool) -> SplitFeatures:
    """Know nothing: every sound is read, and every encoder runs."""
    return SplitFeatures()


class FeatureTable:
    """Vectors of clips by their ids, in place of their sound; set as ``data.features``.

    Args:
        vectors: A vector for each id, [D] each.
        encoder: Whose they are, ``audio`` or ``local``.

    >>> table = FeatureTable({"a": np.zeros(2), "b": np.ones(2)})
    """

    def __init__(self, vectors: Mapping[str, NDArray[np.float32]], encoder: str = "audio") -> None:
        self.vectors, self.encoder = vectors, encoder

    def __call__(self, clips: Sequence[Clip], form: AudioFormat, same_sound: bool) -> SplitFeatures:
        """Look the clips up.

        Raises:
            DataError: If one has no vector.
        """
        missing = [clip.id for clip in clips if clip.id not in self.vectors]
        if missing:
            raise DataError(f"{len(missing)} of {len(clips)} clips have no vector, the first is {missing[0]!r}")
        rows = np.array([self.vectors[clip.id] for clip in clips], np.float32)
        return SplitFeatures(clips={self.encoder: rows}, complete=True)
