"""Acoustic measurements of a voice: pitch, intensity, jitter, shimmer, duration."""

from datamodules.acoustics.autocorrelation import AutocorrelationAcoustics
from datamodules.acoustics.base import Acoustics, Wave
from datamodules.acoustics.egemaps import Egemaps
from datamodules.acoustics.parallel import measure_clips
from datamodules.acoustics.praat import Praat
from datamodules.errors import MissingExtra

__all__ = [
    "Acoustics",
    "AutocorrelationAcoustics",
    "Egemaps",
    "MissingExtra",
    "Praat",
    "Wave",
    "measure_clips",
]
