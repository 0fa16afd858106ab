"""What every way of measuring a voice is."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float32]

COLUMNS: dict[str, str] = {
    "pitch_mean": "of voiced frames, in semitones above 27.5 Hz",
    "pitch_std": "in semitones",
    "intensity_mean": "in dB; from which level it counts depends on who measures",
    "intensity_std": "in dB, or relative to the mean; depends on who measures",
    "loudness_mean": "perceived loudness, in the units of who measures",
    "jitter_mean": "difference of neighbouring periods relative to the mean period",
    "jitter_std": "as jitter_mean",
    "shimmer_mean": "difference of neighbouring periods' amplitudes, in dB",
    "shimmer_std": "in dB",
    "duration": "in seconds",
}
REFERENCE_HZ = 27.5
"""Frequency of 0 semitones: the lowest A of a piano."""


class Acoustics(ABC):
    """Measures one clip: pure, picklable, and alone in what its numbers mean.

    Numbers of two implementations are not comparable: bounds of "high" that were taken from one do not suit the other.
    """

    name: ClassVar[str]
    """Short name; goes into the cache's folder and into the names of bounds."""

    columns: ClassVar[tuple[str, ...]]
    """Those of `COLUMNS` that `measure` returns."""

    isolated: ClassVar[bool] = False
    """Whether it is to be imported and run in worker processes only."""

    @property
    @abstractmethod
    def version(self) -> str:
        """Changes whenever a number could change; goes into the cache's folder.

        Raises:
            MissingExtra: If it depends on a package that is not installed.
        """

    @abstractmethod
    def measure(self, wave: Wave, sample_rate: int) -> dict[str, float]:
        """Measure a waveform [T]: one number for each of `columns`, NaN where there is nothing to measure.

        Raises:
            MissingExtra: If a package that it needs is not installed.
        """

    def announce(self) -> None:  # noqa: B027  most have nothing to say
        """Say what the user has to know, such as a licence's terms; called before the first clip is measured."""
