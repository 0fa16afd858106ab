"""What can be measured in a voice: pitch, intensity, jitter, shimmer, duration."""

from datamodules.acoustics.autocorrelation import AutocorrelationAcoustics
from datamodules.acoustics.egemaps import Egemaps
from datamodules.acoustics.measures import Acoustics, Wave
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
