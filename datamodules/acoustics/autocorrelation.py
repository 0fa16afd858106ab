"""Pitch and intensity of speech by normalized autocorrelation: no further package, no licence but ours."""

import numpy as np
from numpy.typing import NDArray

from datamodules.acoustics.base import REFERENCE_HZ, Acoustics, Wave

Signal = NDArray[np.float64]

# Pitch.
LOWEST = 60.0  # Hz
HIGHEST = 600.0
_WINDOW_SECONDS = 0.05  # three periods of the lowest pitch
_HOP_SECONDS = 0.01
_VOICED = 0.5  # least correlation of a voiced frame with itself one period later
_QUIET = 1e-3  # 30 dB below the clip's loud frames: whatever is periodic there is not the speaker
_OCTAVE_COST = 0.02  # of one octave down, in units of correlation
_SHORTEST_RUN = 3  # frames; vowels last longer

# Intensity.
_LEVEL_WINDOW_SECONDS = 0.03
_ACTIVE_DECIBELS = 30.0


class AutocorrelationAcoustics(Acoustics):
    """Pitch by normalized autocorrelation, intensity as the level of frames, duration. Neither eGeMAPS nor Praat.

    Intensity is in dB relative to full scale, the mean over active frames: those at most 30 dB below the clip's loud
    ones, so that pauses do not count. Jitter and shimmer are not measured: they need the instant of every glottal
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
        measured = dict.fromkeys(self.columns, float("nan")) | {"duration": len(wave) / sample_rate}
        if semitones.size:
            measured["pitch_mean"] = float(semitones.mean())
            measured["pitch_std"] = float(semitones.std())
        if levels.size:
            measured["intensity_mean"] = float(levels.mean())
            measured["intensity_std"] = float(levels.std())
        return measured


def _active_levels(wave: Wave, sample_rate: int) -> Signal:
    """Level of every active frame in dB relative to full scale; empty for digital silence."""
    size = round(_LEVEL_WINDOW_SECONDS * sample_rate)
    hop = round(_HOP_SECONDS * sample_rate)
    energy = np.concatenate([[0.0], np.cumsum(np.asarray(wave, np.float64) ** 2)])
    starts = np.arange(0, max(len(wave) - size, 0) + 1, hop)
    ends = np.minimum(starts + size, len(wave))
    power = np.maximum((energy[ends] - energy[starts]) / (ends - starts), 0.0)
    active = power > max(np.percentile(power, 95) * 10.0 ** (-_ACTIVE_DECIBELS / 10.0), 1e-12)
    levels: Signal = 10.0 * np.log10(power[active])
    return levels


def track_pitch(wave: NDArray[np.floating], sample_rate: int) -> Signal:
    """Track the pitch of every frame of 10 ms, in Hz; NaN where there is no voice.

    The first pass searches from 60 to 600 Hz, the second in the speaker's range as the first pass found it: from 0.72
    times the 35th to 1.9 times the 65th percentile. That rules out most errors by an octave.

    Args:
        wave: Waveform [T].
        sample_rate: In Hz, at least 2,400.

    Reference: Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of
    a sampled sound", 1993 (the window's share divided out, the cost of an octave); De Looze and Hirst, "Detecting
    changes in key and range for the automatic modelling and coding of intonation", 2008 (the two passes).
    """
    correlation_FL, power_F = _autocorrelation(np.asarray(wave, np.float64), sample_rate)
    loud_F = power_F > _QUIET * np.percentile(power_F, 95)
    pitch_F = _strongest(correlation_FL, sample_rate, LOWEST, HIGHEST)
    voiced = pitch_F[loud_F & ~np.isnan(pitch_F)]
    if voiced.size == 0:
        return np.full(len(pitch_F), np.nan)
    low, high = np.percentile(voiced, [35, 65])
    pitch_F = _strongest(correlation_FL, sample_rate, max(LOWEST, 0.72 * low), min(HIGHEST, 1.9 * high))
    return _without_short_runs(np.where(loud_F, pitch_F, np.nan))


def _autocorrelation(wave: Signal, sample_rate: int) -> tuple[Signal, Signal]:
    """Return each frame's autocorrelation, 1 at lag 0 and with the window's share divided out, and its power."""
    size = round(_WINDOW_SECONDS * sample_rate)
    hop = round(_HOP_SECONDS * sample_rate)
    padded = np.pad(wave, (size // 2, size - size // 2))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    window = np.hanning(size)
    frames = (frames - frames.mean(axis=1, keepdims=True)) * window
    length = 2 * size
    lags = int(np.ceil(sample_rate / LOWEST)) + 2
    raw = np.fft.irfft(np.abs(np.fft.rfft(frames, length)) ** 2)[:, :lags]
    share = np.fft.irfft(np.abs(np.fft.rfft(window, length)) ** 2)[:lags]
    power = raw[:, 0].copy()
    return raw / np.maximum(power, 1e-12)[:, None] / (share / share[0]), power


def _strongest(correlation_FL: Signal, sample_rate: int, lowest: float, highest: float) -> Signal:
    """Return each frame's best period between two frequencies, in Hz; NaN where no correlation is high enough."""
    lags = np.arange(max(1, int(sample_rate / highest)), int(np.ceil(sample_rate / lowest)) + 1)
    around = correlation_FL[:, lags[0] - 1 : lags[-1] + 2]
    before = around[:, :-2]
    peak = around[:, 1:-1]
    after = around[:, 2:]
    is_peak = (peak >= before) & (peak > after) & (peak > _VOICED)
    # Whatever has a period also repeats after two of them, as well or by chance even better.
    score = np.where(is_peak, peak - _OCTAVE_COST * np.log2(lags / lags[0]), -np.inf)
    best = score.argmax(axis=1)
    rows = np.arange(len(best))
    left = before[rows, best]
    top = peak[rows, best]
    right = after[rows, best]
    # The vertex of the parabola through the three correlations around the best lag.
    offset = np.clip(0.5 * (left - right) / np.minimum(left - 2.0 * top + right, -1e-12), -0.5, 0.5)
    return np.where(is_peak.any(axis=1), sample_rate / (lags[best] + offset), np.nan)


def _without_short_runs(pitch_F: Signal) -> Signal:
    """Set runs of fewer than `_SHORTEST_RUN` voiced frames to NaN, in place."""
    edges = np.flatnonzero(np.diff((~np.isnan(pitch_F)).astype(np.int8), prepend=0, append=0))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start < _SHORTEST_RUN:
            pitch_F[start:end] = np.nan
    return pitch_F
