"""Our own estimate of pitch and intensity: no further package, no licence but ours."""

import numpy as np

from datamodules.acoustics.measures import REFERENCE_HZ, Acoustics, Wave
from datamodules.acoustics.pitch import track_pitch

_FRAME_SECONDS, _HOP_SECONDS = 0.03, 0.01
_ACTIVE_DECIBELS = 30.0


class AutocorrelationAcoustics(Acoustics):
    """Pitch by normalised autocorrelation, intensity as the level of frames, duration. Neither eGeMAPS nor Praat.

    Intensity is in dB relative to full scale, the mean over active frames: those at most 30 dB below the clip's loud
    ones, so that pauses do not count. There is no jitter and no shimmer: those need the instant of every glottal
    pulse.
    """

    name = "own"
    columns = ("pitch_mean", "pitch_std", "intensity_mean", "intensity_std", "duration")

    @property
    def version(self) -> str:
        return "1"

    def measure(self, wave: Wave, sample_rate: int) -> dict[str, float]:
        pitch_F = track_pitch(wave, sample_rate)
        semitones = 12.0 * np.log2(pitch_F[~np.isnan(pitch_F)] / REFERENCE_HZ)
        levels = _active_levels(wave, sample_rate)
        nothing = float("nan")
        return {
            "pitch_mean": float(semitones.mean()) if semitones.size else nothing,
            "pitch_std": float(semitones.std()) if semitones.size else nothing,
            "intensity_mean": float(levels.mean()) if levels.size else nothing,
            "intensity_std": float(levels.std()) if levels.size else nothing,
            "duration": len(wave) / sample_rate,
        }


def _active_levels(wave: Wave, sample_rate: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Level of every active frame in dB relative to full scale; empty for digital silence."""
    size, hop = round(_FRAME_SECONDS * sample_rate), round(_HOP_SECONDS * sample_rate)
    energy = np.concatenate([[0.0], np.cumsum(np.asarray(wave, np.float64) ** 2)])
    starts = np.arange(0, max(len(wave) - size, 0) + 1, hop)
    ends = np.minimum(starts + size, len(wave))
    power = np.maximum((energy[ends] - energy[starts]) / (ends - starts), 0.0)
    active = power > max(np.percentile(power, 95) * 10.0 ** (-_ACTIVE_DECIBELS / 10.0), 1e-12)
    levels: np.ndarray[tuple[int], np.dtype[np.float64]] = 10.0 * np.log10(power[active])
    return levels
