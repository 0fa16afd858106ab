"""Pitch of a clip: track it, and replace it by time-domain pitch-synchronous overlap-add (TD-PSOLA).

Reference: Moulines and Charpentier, "Pitch-synchronous waveform processing techniques for text-to-speech synthesis
using diphones", 1990.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]

HOP = 160
_FRAME = 640


def track_f0(x_T: Signal, sample_rate: int, lowest: float = 60.0, highest: float = 500.0) -> Signal:
    """Return F0 in Hz every ``HOP`` samples, 0 where unvoiced.

    The peak of the normalized autocorrelation, in two passes: the second searches within nine semitones of the
    first pass's median, which rules out octave errors in speech whose F0 range is narrower than that.
    """
    correlation, energy = _autocorrelation(x_T)
    voiced, f0 = _peaks(correlation, energy, sample_rate, lowest, highest)
    if not voiced.any():
        return np.zeros_like(f0)
    center = float(np.median(f0[voiced]))
    voiced, f0 = _peaks(correlation, energy, sample_rate, max(lowest, center / 1.7), min(highest, center * 1.7))
    return np.where(voiced, f0, 0.0)


def replace_f0(
    x_T: Signal, f0: Signal, target: Signal, sample_rate: int, period: Callable[[], tuple[float, float]]
) -> Signal:
    """Return the clip with F0 ``target`` (Hz every ``HOP`` samples) where ``f0`` is voiced; duration and timbre stay.

    ``period`` gives each new period's relative length and amplitude, (1, 1) for a perfectly regular voice.
    """
    margin = int(2 * sample_rate / f0[f0 > 0].min()) if f0.any() else 0
    padded = np.pad(x_T, margin)
    frames = np.arange(target.size)
    voice = np.zeros_like(padded)
    copied = np.zeros_like(padded)
    smooth = np.convolve(x_T, np.hanning(19), "same")  # below 1 kHz, so that marks do not hop between formants
    for start, end in _runs(f0 > 0):
        marks = _marks(smooth, f0, start * HOP, min(end * HOP, x_T.size), sample_rate)
        if marks.size < 3:
            continue
        lengths = np.diff(marks, append=2 * marks[-1] - marks[-2])
        windows = [np.hanning(2 * length + 1) for length in lengths.tolist()]
        grains = []
        for mark, length, window in zip((marks + margin).tolist(), lengths.tolist(), windows, strict=True):
            around = slice(mark - length, mark + length + 1)
            copied[around] += window
            grains.append(padded[around] * window)
        position = float(marks[0])
        while position < marks[-1] + lengths[-1] / 2:
            nearest = int(np.abs(marks - position).argmin())
            stretch, amplitude = period()
            first = round(position) + margin - int(lengths[nearest])
            voice[first : first + grains[nearest].size] += amplitude * grains[nearest]
            position += stretch * sample_rate / float(np.interp(position / HOP, frames, target))
    replaced = voice + padded * (1.0 - np.clip(copied, 0.0, 1.0))
    return replaced[margin : margin + x_T.size]


def _autocorrelation(x_T: Signal) -> tuple[Signal, Signal]:
    """Return the window-compensated autocorrelation of each frame, 1 at lag 0, and each frame's energy."""
    window = np.hanning(_FRAME)
    padded = np.pad(x_T, (_FRAME // 2, _FRAME // 2))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::HOP] * window
    size = 2 * _FRAME
    raw = np.fft.irfft(np.abs(np.fft.rfft(frames, size)) ** 2)[:, : _FRAME // 2]
    shape = np.fft.irfft(np.abs(np.fft.rfft(window, size)) ** 2)[: _FRAME // 2]
    energy = raw[:, 0].copy()
    return raw / (energy[:, None] + 1e-12) / (shape / shape[0]), energy


def _peaks(
    correlation: Signal, energy: Signal, sample_rate: int, lowest: float, highest: float
) -> tuple[NDArray[np.bool_], Signal]:
    """Return which frames are voiced and the F0 of the best lag between two frequencies."""
    first = int(sample_rate / highest)
    last = min(int(sample_rate / lowest), correlation.shape[1] - 2)
    lags = np.arange(first, last)
    # A slight preference for short lags: a periodic signal correlates with itself at every multiple of its period.
    best = lags[(correlation[:, first:last] * (1.0 - 0.02 * lags / first)).argmax(axis=1)]
    rows = np.arange(best.size)
    before, peak, after = (correlation[rows, best + step] for step in (-1, 0, 1))
    curve = before - 2.0 * peak + after
    offset = np.where(curve < -1e-9, 0.5 * (before - after) / np.minimum(curve, -1e-9), 0.0)
    voiced = (peak > 0.55) & (energy > 1e-3 * energy.max())
    return voiced, sample_rate / (best + np.clip(offset, -0.5, 0.5))


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the half-open ranges in which the flags are true."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _marks(x_T: Signal, f0: Signal, start: int, end: int, sample_rate: int) -> NDArray[np.int64]:
    """Return one sample index per period between two samples, each on the period's main peak."""
    side = 1.0 if x_T[start:end].max() >= -x_T[start:end].min() else -1.0
    period = sample_rate / f0[start // HOP]
    marks = [start + int((side * x_T[start : start + int(period) + 1]).argmax())]
    while True:
        period = sample_rate / f0[min(marks[-1] // HOP, (end - 1) // HOP)]
        low = marks[-1] + int(0.85 * period)
        high = marks[-1] + int(1.15 * period) + 1
        if high >= end:
            return np.array(marks)
        marks.append(low + int((side * x_T[low:high]).argmax()))
