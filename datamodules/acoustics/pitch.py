"""Pitch of speech by normalised autocorrelation, in two passes."""

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]

LOWEST, HIGHEST = 60.0, 600.0
_WINDOW_SECONDS = 0.05  # three periods of the lowest pitch
_HOP_SECONDS = 0.01
_VOICED = 0.5  # least correlation of a voiced frame with itself one period later
_QUIET = 1e-3  # 30 dB below the clip's loud frames: whatever is periodic there is not the speaker
_OCTAVE_COST = 0.02  # of one octave down, in units of correlation
_SHORTEST_RUN = 3  # frames; vowels last longer


def track_pitch(wave: NDArray[np.floating], sample_rate: int) -> Signal:
    """Pitch of every frame of 10 ms, in Hz; NaN where there is no voice.

    The first pass searches from 60 to 600 Hz, the second in the range that the speaker turned out to use: from 0.72
    times the 35th to 1.9 times the 65th percentile. That rules out most errors by an octave.

    Args:
        wave: Waveform [T].
        sample_rate: In Hz, at least 2,400.

    References: Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of
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
    """Each frame's autocorrelation, 1 at lag 0 and with the window's share divided out; and each frame's power."""
    size, hop = round(_WINDOW_SECONDS * sample_rate), round(_HOP_SECONDS * sample_rate)
    padded = np.pad(wave, (size // 2, size - size // 2))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    window = np.hanning(size)
    frames = (frames - frames.mean(axis=1, keepdims=True)) * window
    length, lags = 2 * size, int(np.ceil(sample_rate / LOWEST)) + 2
    raw = np.fft.irfft(np.abs(np.fft.rfft(frames, length)) ** 2)[:, :lags]
    share = np.fft.irfft(np.abs(np.fft.rfft(window, length)) ** 2)[:lags]
    power = raw[:, 0].copy()
    return raw / np.maximum(power, 1e-12)[:, None] / (share / share[0]), power


def _strongest(correlation_FL: Signal, sample_rate: int, lowest: float, highest: float) -> Signal:
    """The frequency between two bounds at which each frame repeats itself best; NaN where none is good enough."""
    lags = np.arange(max(1, int(sample_rate / highest)), int(np.ceil(sample_rate / lowest)) + 1)
    around = correlation_FL[:, lags[0] - 1 : lags[-1] + 2]
    before, peak, after = around[:, :-2], around[:, 1:-1], around[:, 2:]
    is_peak = (peak >= before) & (peak > after) & (peak > _VOICED)
    # Whatever has a period also repeats after two of them, as well or by chance even better.
    score = np.where(is_peak, peak - _OCTAVE_COST * np.log2(lags / lags[0]), -np.inf)
    best = score.argmax(axis=1)
    rows = np.arange(len(best))
    left, top, right = before[rows, best], peak[rows, best], after[rows, best]
    offset = 0.5 * (left - right) / np.minimum(left - 2.0 * top + right, -1e-12)
    return np.where(is_peak.any(axis=1), sample_rate / (lags[best] + np.clip(offset, -0.5, 0.5)), np.nan)


def _without_short_runs(pitch_F: Signal) -> Signal:
    edges = np.flatnonzero(np.diff((~np.isnan(pitch_F)).astype(np.int8), prepend=0, append=0))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start < _SHORTEST_RUN:
            pitch_F[start:end] = np.nan
    return pitch_F
