"""Acoustic measurements by Praat, in worker processes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from datamodules.acoustics.base import REFERENCE_HZ, Acoustics, Wave, version_of

_FLOOR = 60.0  # Hz
_CEILING = 600.0
# Praat's own defaults for what counts as two neighbouring periods: seconds, and the largest ratio of the two.
_SHORTEST = 0.0001
_LONGEST = 0.02
_PERIOD_FACTOR = 1.3
_AMPLITUDE_FACTOR = 1.6
_LEAST_SECONDS = 0.12  # Praat's intensity needs 6.4 periods of the lowest pitch


class Praat(Acoustics):
    """Pitch, intensity in dB relative to 20 micropascal, jitter and shimmer as Praat measures them.

    Jitter and shimmer are "local": the mean is Praat's number, the standard deviation that of the same differences.
    Needs praat-parselmouth, which is under GPL-3.0 and therefore imported in worker processes only; they return
    numbers.

    Reference: Boersma and Weenink, "Praat: doing phonetics by computer".
    """

    name = "praat"
    columns = (
        "pitch_mean",
        "pitch_std",
        "intensity_mean",
        "intensity_std",
        "jitter_mean",
        "jitter_std",
        "shimmer_mean",
        "shimmer_std",
        "duration",
    )
    isolated = True

    @property
    def version(self) -> str:
        return f"1-{_version()}"

    def measure(self, wave: Wave, sample_rate: int) -> dict[str, float]:
        _version()
        measured = dict.fromkeys(self.columns, float("nan")) | {"duration": len(wave) / sample_rate}
        if len(wave) < _LEAST_SECONDS * sample_rate or not np.any(wave):
            return measured
        from parselmouth import Sound  # GPL-3.0: here alone, and in worker processes only
        from parselmouth.praat import call

        sound = Sound(np.asarray(wave, np.float64), sample_rate)
        intensity = sound.to_intensity(minimum_pitch=_FLOOR)
        measured["intensity_mean"] = call(intensity, "Get mean", 0, 0, "energy")
        measured["intensity_std"] = call(intensity, "Get standard deviation", 0, 0)
        pitch = sound.to_pitch_ac(time_step=0.01, pitch_floor=_FLOOR, pitch_ceiling=_CEILING)
        hertz = pitch.selected_array["frequency"]
        semitones = 12.0 * np.log2(hertz[hertz > 0] / REFERENCE_HZ)
        measured["pitch_mean"], measured["pitch_std"] = _mean_and_std(semitones)
        pulses = call([sound, pitch], "To PointProcess (cc)")
        measured["jitter_mean"], measured["jitter_std"] = _mean_and_std(_jitters(pulses, call))
        measured["shimmer_mean"], measured["shimmer_std"] = _mean_and_std(_shimmers(sound, pulses, call))
        return measured


def _version() -> str:
    return version_of("praat-parselmouth", "praat", "licence GPL-3.0")


def _jitters(pulses: Any, call: Any) -> NDArray[np.float64]:
    """Return the differences of neighbouring periods, relative to the mean period."""
    count = call(pulses, "Get number of points")
    periods = np.diff([call(pulses, "Get time from index", index + 1) for index in range(count)])
    good = (periods >= _SHORTEST) & (periods <= _LONGEST)
    if not good.any():
        return np.empty(0)
    first = periods[:-1]
    second = periods[1:]
    neighbours = good[:-1] & good[1:] & (np.maximum(first / second, second / first) <= _PERIOD_FACTOR)
    differences: NDArray[np.float64] = np.abs(second - first)[neighbours] / periods[good].mean()
    return differences


def _shimmers(sound: Any, pulses: Any, call: Any) -> NDArray[np.float64]:
    """Return the differences of neighbouring periods' amplitudes, in dB."""
    if call(pulses, "Get number of points") < 3:
        return np.empty(0)
    tier = call([sound, pulses], "To AmplitudeTier (period)", 0, 0, _SHORTEST, _LONGEST, _PERIOD_FACTOR)
    if call(tier, "Get number of points") < 2:
        return np.empty(0)
    times, amplitudes = call(call(tier, "Down to TableOfReal"), "To Matrix").values.T
    apart = np.diff(times)
    ratio = amplitudes[1:] / amplitudes[:-1]
    neighbours = (apart >= _SHORTEST) & (apart <= _LONGEST) & (np.maximum(ratio, 1.0 / ratio) <= _AMPLITUDE_FACTOR)
    differences: NDArray[np.float64] = 20.0 * np.abs(np.log10(ratio[neighbours]))
    return differences


def _mean_and_std(values: NDArray[np.float64]) -> tuple[float, float]:
    if not values.size:
        return float("nan"), float("nan")
    return float(values.mean()), float(values.std())
