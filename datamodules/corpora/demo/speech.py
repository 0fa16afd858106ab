"""Emotional speech: a sentence by a formant synthesizer, its prosody and voice quality by rule."""

from collections.abc import Callable
from typing import Any

import numpy as np
import soxr

from datamodules.corpora.demo.emotions import Prosody
from datamodules.corpora.demo.pitch import HOP, Signal, replace_f0, track_f0
from datamodules.corpora.demo.voices import Speaker
from datamodules.errors import MissingExtra

SAMPLE_RATE = 16_000
SPEECH_LEVEL = -26.0
"""Level of neutral speech in dB relative to full scale."""

Shape = Callable[[Signal], Signal]
"""From frequencies in Hz to factors on the amplitude."""

_SYNTHESIZER_RATE = 44_100.0
_FFT_BLOCK = 2048
_DECIBELS_PER_DOUBLING = 20.0 * np.log10(2.0)


def speak(speaker: Speaker, text: str, prosody: Prosody, rng: np.random.Generator) -> Signal:
    """Return the sentence as T samples at 16 kHz, spoken with the given prosody.

    Raises:
        MissingExtra: If praat-parselmouth is not installed.
    """
    rate = 2.0**prosody.rate
    pitch = speaker.pitch * 2.0 ** (prosody.level / 12.0)
    plain = _synthesize(speaker, text, speaker.tempo * rate / speaker.formant)
    # Read as if sampled faster, the clip's formants rise by that factor; the tempo above makes up for its length.
    x_T = soxr.resample(_trim(plain), _SYNTHESIZER_RATE * speaker.formant, SAMPLE_RATE)
    f0 = track_f0(x_T, SAMPLE_RATE)
    target = pitch * 2.0 ** (_contour(x_T, f0, prosody, rng) / 12.0)
    x_T = replace_f0(x_T, f0, target, SAMPLE_RATE, _period(prosody, rng))
    x_T = _add_tilt(_add_breath(x_T, prosody.breath, rng), prosody.tilt)
    x_T *= 10.0 ** ((SPEECH_LEVEL + prosody.gain) / 20.0) / _active_rms(x_T)
    silence_before = int(SAMPLE_RATE * rng.uniform(0.05, 0.12))
    silence_after = int(SAMPLE_RATE * rng.uniform(0.08, 0.15))
    return np.pad(x_T, (silence_before, silence_after))


def filtered(x_T: Signal, shape: Shape) -> Signal:
    """Return the clip with its spectrum multiplied by a shape; no delay, same length."""
    # A multiple of a power of two: clips of a prime length would take ten times longer.
    size = (x_T.size // _FFT_BLOCK + 1) * _FFT_BLOCK
    hertz: Signal = np.fft.rfftfreq(size, 1.0 / SAMPLE_RATE).astype(np.float64)
    y_T: Signal = np.fft.irfft(np.fft.rfft(x_T, size) * shape(hertz), size)[: x_T.size]
    return y_T


def synthesizer() -> Callable[..., Any]:
    """Return Praat's `call`, which holds the formant synthesizer eSpeak NG.

    Raises:
        MissingExtra: If praat-parselmouth is not installed.
    """
    try:
        from parselmouth.praat import call  # GPL-3.0: imported here alone, and only when a corpus is made
    except ImportError as error:
        message = 'The demo corpus needs praat-parselmouth. Install it with: pip install "emoclap[demo]"'
        raise MissingExtra(message) from error
    found: Callable[..., Any] = call
    return found


def _synthesize(speaker: Speaker, text: str, words_per_minute: float) -> Signal:
    """Return the sentence at 44.1 kHz as the synthesizer speaks it."""
    call = synthesizer()
    voice = call("Create SpeechSynthesizer...", speaker.accent, speaker.variant)
    call(voice, "Speech output settings...", _SYNTHESIZER_RATE, 0.01, 1.0, 1.0, round(words_per_minute), "IPA")
    samples: Signal = call(voice, "To Sound...", text, "no")[0].values[0]
    return samples


def _trim(x_T: Signal) -> Signal:
    """Cut the silence before and after the speech."""
    loud = np.flatnonzero(np.abs(x_T) > 0.01 * np.abs(x_T).max())
    return x_T[loud[0] : loud[-1] + 1]


def _contour(x_T: Signal, f0: Signal, prosody: Prosody, rng: np.random.Generator) -> Signal:
    """Return the wanted F0 in semitones around the speaker's level, every `HOP` samples."""
    voiced = np.flatnonzero(f0)
    if not voiced.size:
        return np.zeros_like(f0)
    frames = np.arange(f0.size)
    semitones = np.interp(frames, voiced, 12.0 * np.log2(f0[voiced] / np.median(f0[voiced])))
    progress = frames / f0.size
    seconds = frames * HOP / SAMPLE_RATE
    contour = semitones * 2.0**prosody.spread + prosody.slope * (progress - 0.5)
    contour += prosody.final * np.clip(3.0 * progress - 2.0, 0.0, 1.0)
    contour += prosody.tremor * np.sin(2.0 * np.pi * (6.0 * seconds + rng.random()))
    for centre in _syllables(x_T):
        offset = np.clip((frames - centre) * HOP / (0.1 * SAMPLE_RATE), -1.0, 1.0)
        contour += prosody.accent * 0.5 * (1.0 + np.cos(np.pi * offset)) * (1.0 + prosody.bend * offset)
    wanted: Signal = np.clip(contour - np.median(contour[voiced]), -9.0, 14.0)
    return wanted


def _syllables(x_T: Signal) -> list[int]:
    """Return the frames of the most prominent vowels, at least a quarter of a second apart."""
    power = np.convolve(_power(x_T), np.hanning(6), "same")
    apart = SAMPLE_RATE // HOP // 4
    chosen: list[int] = []
    for frame in np.argsort(power)[::-1].tolist():
        if power[frame] < 0.15 * power.max():
            break
        if all(abs(frame - other) >= apart for other in chosen):
            chosen.append(frame)
    return chosen


def _period(prosody: Prosody, rng: np.random.Generator) -> Callable[[], tuple[float, float]]:
    """Return the source of each period's relative length and amplitude."""

    def draw() -> tuple[float, float]:
        jitter, shimmer = rng.normal(0.0, 1.0, 2).tolist()
        return max(0.5, 1.0 + prosody.jitter * jitter), max(0.2, 1.0 + prosody.shimmer * shimmer)

    return draw


def _add_tilt(x_T: Signal, slope: float) -> Signal:
    """Turn the spectrum above 500 Hz by a slope in dB per octave."""
    return filtered(x_T, lambda hertz: (np.maximum(hertz, 500.0) / 500.0) ** (slope / _DECIBELS_PER_DOUBLING))


def _add_breath(x_T: Signal, ratio: float, rng: np.random.Generator) -> Signal:
    """Add aspiration: noise around 1 to 4 kHz that follows the voice's envelope."""
    noise = filtered(rng.normal(0.0, 1.0, x_T.size), _aspiration)
    power = _power(x_T)
    envelope = np.interp(np.arange(x_T.size) / HOP - 0.5, np.arange(power.size), np.sqrt(power))
    return x_T + ratio * envelope * noise


def _aspiration(hertz: Signal) -> Signal:
    return 1.0 / (1.0 + (1000.0 / np.maximum(hertz, 1.0)) ** 4) / (1.0 + (hertz / 4000.0) ** 4)


def _power(x_T: Signal) -> Signal:
    """Return the mean power of every `HOP` samples."""
    power: Signal = (x_T[: x_T.size // HOP * HOP].reshape(-1, HOP) ** 2).mean(axis=1)
    return power


def _active_rms(x_T: Signal) -> float:
    """Return the root mean square of the louder half of the clip: pauses do not count."""
    power = _power(x_T)
    return float(np.sqrt(power[power >= np.median(power)].mean()) + 1e-12)
