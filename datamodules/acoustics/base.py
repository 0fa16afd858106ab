"""The interface of acoustic measurements, and the optional packages that some of them need."""

from abc import ABC, abstractmethod
from importlib.metadata import PackageNotFoundError, version
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from datamodules.errors import MissingExtra

Wave = NDArray[np.float32]

COLUMNS: dict[str, str] = {
    "pitch_mean": "of voiced frames, in semitones above 27.5 Hz",
    "pitch_std": "in semitones",
    "intensity_mean": "in dB; the level of 0 dB depends on the implementation",
    "intensity_std": "in dB, or relative to the mean, depending on the implementation",
    "loudness_mean": "perceived loudness, in units of the implementation",
    "jitter_mean": "difference of neighbouring periods relative to the mean period",
    "jitter_std": "as jitter_mean",
    "shimmer_mean": "difference of neighbouring periods' amplitudes, in dB",
    "shimmer_std": "in dB",
    "duration": "in seconds",
}
REFERENCE_HZ = 27.5
"""Frequency of 0 semitones: the lowest A of a piano."""


class Acoustics(ABC):
    """Acoustic measurements of one clip: a pure, picklable function of its waveform.

    Numbers of two implementations are not comparable: thresholds taken from one do not suit the other.
    """

    name: ClassVar[str]
    """Short name, part of the cache's folder and of the names of thresholds."""

    columns: ClassVar[tuple[str, ...]]
    """Those of `COLUMNS` that `measure` returns."""

    isolated: ClassVar[bool] = False
    """Whether it may be imported and run in worker processes only."""

    @property
    @abstractmethod
    def version(self) -> str:
        """Version of the numbers, part of the cache's folder; raised whenever a number could change.

        Raises:
            MissingExtra: If it depends on a package that is not installed.
        """

    @abstractmethod
    def measure(self, wave: Wave, sample_rate: int) -> dict[str, float]:
        """Measure a waveform [T]: one number for each of `columns`, NaN where there is nothing to measure.

        Raises:
            MissingExtra: If a package that it needs is not installed.
        """

    def announce(self) -> None:  # noqa: B027  optional
        """Print what the user has to know, such as a licence's terms; called before the first clip is measured."""


def version_of(package: str, extra: str, licence: str) -> str:
    """Return the installed version of an optional package, without importing it.

    Args:
        package: Its name on the package index.
        extra: The extra of this package that installs it.
        licence: Its licence, for the error message.

    Raises:
        MissingExtra: If it is not installed.
    """
    try:
        return version(package)
    except PackageNotFoundError:
        raise MissingExtra(
            f"acoustics: {package} is not installed ({licence}). "
            f'Install it with: pip install "emoclap[{extra}]"; or measure with '
            "datamodules.acoustics.AutocorrelationAcoustics, which needs no further package"
        ) from None
