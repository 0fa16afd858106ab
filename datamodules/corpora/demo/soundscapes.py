"""Twelve soundscapes, the acoustic surroundings of a clip: spectra, noises and impulse responses.

Noise levels are relative to neutral speech, not to the clip: a soft voice drowns more easily, as it does outdoors.
"""

from collections.abc import Callable

import numpy as np

from datamodules.corpora.demo.pitch import Signal
from datamodules.corpora.demo.speech import SAMPLE_RATE, SPEECH_LEVEL, Shape, filtered

SEEN = (
    "clean studio",
    "office hum",
    "street noise",
    "crowd babble",
    "small room reverb",
    "telephone band",
    "rain",
    "distant microphone",
)
"""Soundscapes of the train and dev splits."""

UNSEEN = ("large hall reverb", "low-bitrate radio", "wind", "car interior")
"""Soundscapes that only the test split has."""


def add_soundscape(x_T: Signal, soundscape: str, rng: np.random.Generator, babble: Callable[[int], Signal]) -> Signal:
    """Return the clip in a soundscape of ``SEEN`` or ``UNSEEN``; ``babble(T)`` supplies a crowd of T samples."""
    match soundscape:
        case "clean studio":
            return x_T + _noise(x_T.size, rng, _pink, -55.0)
        case "office hum":
            hum = _harmonics(x_T.size, 50.0, 12, rng)
            return x_T + _level(hum, rng.uniform(-22, -14)) + _noise(x_T.size, rng, _pink, rng.uniform(-24, -18))
        case "street noise":
            return x_T + _noise(x_T.size, rng, _pink, rng.uniform(-18, -10)) * _swell(x_T.size, 0.7, 0.6, rng)
        case "crowd babble":
            return x_T + _level(babble(x_T.size), rng.uniform(-20, -11))
        case "small room reverb":
            return _reverberate(x_T, rng.uniform(0.25, 0.4), 2.0, rng) + _noise(x_T.size, rng, _pink, -45.0)
        case "large hall reverb":
            return _reverberate(x_T, rng.uniform(1.2, 2.0), 0.0, rng) + _noise(x_T.size, rng, _pink, -40.0)
        case "telephone band":
            return _companded(filtered(x_T, _band(300.0, 3400.0))) + _noise(x_T.size, rng, _band(300.0, 3400.0), -35.0)
        case "low-bitrate radio":
            crackle = _noise(x_T.size, rng, _band(200.0, 2600.0), rng.uniform(-20, -14))
            return _quantized(filtered(x_T, _band(250.0, 2600.0)) + crackle, 6)
        case "rain":
            return x_T + _noise(x_T.size, rng, _high, rng.uniform(-24, -15)) + _level(_drops(x_T.size, rng), -22.0)
        case "wind":
            return x_T + _noise(x_T.size, rng, _low, rng.uniform(-6, 2)) * _swell(x_T.size, 1.5, 0.9, rng)
        case "car interior":
            engine = _level(_harmonics(x_T.size, rng.uniform(28, 45), 8, rng), rng.uniform(-10, -4))
            return _reverberate(x_T, 0.1, 6.0, rng) + engine + _noise(x_T.size, rng, _low, rng.uniform(-6, 0))
        case "distant microphone":
            far = filtered(_reverberate(x_T, rng.uniform(0.5, 0.8), -6.0, rng), _band(80.0, 5000.0))
            return 0.6 * far + _noise(x_T.size, rng, _pink, rng.uniform(-30, -24))
    raise ValueError(f"unknown soundscape {soundscape!r}; expected one of {(*SEEN, *UNSEEN)}")


def _pink(frequency: Signal) -> Signal:
    return 1.0 / np.sqrt(np.maximum(frequency, 60.0))


def _low(frequency: Signal) -> Signal:
    return 1.0 / (1.0 + (frequency / 120.0) ** 2)


def _high(frequency: Signal) -> Signal:
    return 1.0 / (1.0 + (1500.0 / np.maximum(frequency, 1.0)) ** 2)


def _band(lowest: float, highest: float) -> Shape:
    """Return a band-pass of fourth order at each edge."""

    def shape(frequency: Signal) -> Signal:
        high = 1.0 / (1.0 + (lowest / np.maximum(frequency, 1.0)) ** 8)
        return np.sqrt(high / (1.0 + (frequency / highest) ** 8))

    return shape


def _level(x_T: Signal, decibels: float) -> Signal:
    """Set the level in dB relative to neutral speech."""
    rms = float(np.sqrt(np.mean(x_T**2))) + 1e-12
    return x_T * float(10.0 ** ((SPEECH_LEVEL + decibels) / 20.0) / rms)


def _noise(samples: int, rng: np.random.Generator, shape: Shape, decibels: float) -> Signal:
    return _level(filtered(rng.normal(0.0, 1.0, samples), shape), decibels)


def _harmonics(samples: int, fundamental: float, count: int, rng: np.random.Generator) -> Signal:
    """Return a periodic hum whose harmonics fall off with their number."""
    seconds = np.arange(samples) / SAMPLE_RATE
    orders = np.arange(1, count + 1)[:, None]
    phases = 2.0 * np.pi * (orders * fundamental * seconds + rng.random((count, 1)))
    return np.asarray((np.sin(phases) * rng.uniform(0.3, 1.0, (count, 1)) / orders).sum(axis=0))


def _swell(samples: int, hertz: float, depth: float, rng: np.random.Generator) -> Signal:
    """Return a slow random rise and fall around 1, as of traffic or gusts."""
    knots = 1.0 + depth * rng.uniform(-1.0, 1.0, int(samples / SAMPLE_RATE * hertz) + 3)
    return np.interp(np.linspace(0.0, knots.size - 1.0, samples), np.arange(knots.size), knots)


def _drops(samples: int, rng: np.random.Generator) -> Signal:
    """Return about eighty raindrops per second, each a short burst."""
    strikes = rng.normal(0.0, 1.0, samples) * (rng.random(samples) < 80.0 / SAMPLE_RATE)
    return filtered(strikes, _band(1500.0, 6000.0))


def _reverberate(x_T: Signal, seconds: float, direct: float, rng: np.random.Generator) -> Signal:
    """Convolve with direct sound plus a decaying tail.

    Args:
        x_T: The clip.
        seconds: Time in which the tail falls by 60 dB.
        direct: Energy of the direct sound relative to the tail, in dB.
        rng: Source of the tail.
    """
    length = int(seconds * SAMPLE_RATE)
    tail = rng.normal(0.0, 1.0, length) * 10.0 ** (-3.0 * np.arange(length) / length)
    tail = filtered(tail, _band(80.0, 4500.0))
    tail[: SAMPLE_RATE // 400] = 0.0
    tail *= 10.0 ** (-direct / 20.0) / np.sqrt(np.sum(tail**2))
    size = ((x_T.size + length) // 2048 + 1) * 2048  # a fast size, and no wrap-around
    wet = np.fft.irfft(np.fft.rfft(x_T, size) * np.fft.rfft(tail, size), size)[: x_T.size]
    mixed: Signal = (x_T + wet) / np.sqrt(1.0 + 10.0 ** (-direct / 10.0))
    return mixed


def _companded(x_T: Signal) -> Signal:
    """Return the clip after 8-bit mu-law coding (ITU-T G.711)."""
    peak = np.abs(x_T).max() + 1e-12
    coded = np.sign(x_T) * np.log1p(255.0 * np.abs(x_T) / peak) / np.log(256.0)
    rounded = np.round(coded * 127.0) / 127.0
    expanded: Signal = np.sign(rounded) * np.expm1(np.abs(rounded) * np.log(256.0)) / 255.0 * peak
    return expanded


def _quantized(x_T: Signal, bits: int) -> Signal:
    step = 2.0 * float(np.abs(x_T).max()) / float(2**bits) + 1e-12
    return np.round(x_T / step) * step
