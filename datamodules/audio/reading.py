"""From a file to a waveform: read what is needed, mix down, resample, crop, pad."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import soundfile
import soxr
from numpy.typing import ArrayLike, NDArray

from datamodules.audio.decoding import LOUDEST, TOLERANCE_SECONDS, not_finite, too_loud
from datamodules.audio.header import SHORTEST_SECONDS, too_short
from datamodules.audio.opening import open_audio
from datamodules.audio.patience import patiently
from datamodules.errors import DataError

Wave = NDArray[np.float32]


@dataclass(frozen=True)
class Recording:
    """A stretch of an audio file, as the manifest describes it.

    Args:
        file: Absolute path.
        start: Beginning in seconds.
        end: End in seconds; None reads to the end of the file.
        duration: Length in seconds that the manifest promises; None where it does not say.
        sample_rate: Rate in Hz that the manifest promises; None where it does not say.
    """

    file: str
    start: float = 0.0
    end: float | None = None
    duration: float | None = None
    sample_rate: int | None = None


@dataclass(frozen=True)
class AudioFormat:
    """What an encoder wants to hear.

    Args:
        sample_rate: In Hz.
        seconds: Length of every waveform.
        pad: How a shorter recording is filled: ``zero`` with silence, ``repeat`` with itself.
        resample_via: Rate in Hz through which the sound passes first, to band-limit it to what another system hears.
    """

    sample_rate: int
    seconds: float = 5.0
    pad: Literal["zero", "repeat"] = "zero"
    resample_via: int | None = None

    @property
    def samples(self) -> int:
        return round(self.seconds * self.sample_rate)


def read_crop(recording: Recording, form: AudioFormat, place: float = 0.5, speed: float = 1.0) -> tuple[Wave, int]:
    """Read one crop of a recording, and no more of its file than that.

    Args:
        recording: Where it is.
        form: What it is to become.
        place: Where a crop of a longer recording lies: 0 at its beginning, 1 at its end.
        speed: Factor on tempo and pitch, as if the recording were played faster.

    Returns:
        The waveform [T], float32, and the number of samples before padding.

    Raises:
        DataError: If the file is missing, unreadable, empty, shorter than the manifest says or than
            `SHORTEST_SECONDS`, at another rate, or holds values that are no sound.
    """
    wanted = form.seconds * speed
    try:
        wave, rate = patiently(lambda: _read(recording, wanted, place))
    except FileNotFoundError:
        raise DataError(
            f"{recording.file}: no such file; correct the manifest's path, or put the recording there"
        ) from None
    except OSError as error:
        raise DataError(f"{recording.file}: cannot be read ({error.strerror or error})") from None
    return _fitted(wave, rate * speed, form)


def crop_samples(samples: ArrayLike, rate: int, form: AudioFormat, name: str = "the recording") -> tuple[Wave, int]:
    """Take the middle of a recording in memory, as ``read_crop`` takes that of a file.

    Args:
        samples: [T], or [T, channels], in [-1, 1].
        rate: Their rate in Hz.
        form: What they are to become.
        name: The recording's, for messages.

    Returns:
        The waveform, float32, and the number of samples before padding.

    Raises:
        DataError: If they are of another shape, shorter than ``SHORTEST_SECONDS``, or hold values that are no sound.
    """
    channels = np.asarray(samples, dtype=np.float32)
    if channels.ndim == 1:
        channels = channels[:, None]
    if channels.ndim != 2 or channels.shape[1] > max(channels.shape[0], 1):
        shape = np.shape(samples)
        raise DataError(f"{name}: its samples have the shape {shape}, expected [samples] or [samples, channels]")
    if rate <= 0:
        raise DataError(f"{name}: its rate is {rate}, expected a number of Hz above 0")
    if len(channels) < SHORTEST_SECONDS * rate:
        raise DataError(f"{name}: {too_short(len(channels) / rate)}")
    first, last = _middle(0, len(channels), math.ceil(form.seconds * rate), 0.5)
    return _fitted(_mixed(channels[first:last], name), rate, form)


def _fitted(wave: Wave, rate: float, form: AudioFormat) -> tuple[Wave, int]:
    """The waveform at the rate and of the length that is wanted, and the number of samples before padding."""
    for target in (form.resample_via, form.sample_rate):
        if target is not None and rate != target:
            wave, rate = soxr.resample(wave, rate, target), target
    length = min(len(wave), form.samples)
    return _padded(wave[:length], form), length


def _middle(first: int, last: int, wanted: int, place: float) -> tuple[int, int]:
    """A stretch of no more than the wanted frames; ``place`` says where, from 0 at the beginning to 1 at the end."""
    if last - first > wanted:
        first += round(place * (last - first - wanted))
        last = first + wanted
    return first, last


def _read(recording: Recording, seconds: float, place: float) -> tuple[Wave, int]:
    """At most `seconds` of a recording, mixed down, and their rate in Hz."""
    with open_audio(recording.file) as file:
        first, last = _middle(*_bounds(recording, file), math.ceil(seconds * file.samplerate), place)
        return _mono(file, first, last - first, recording.file), file.samplerate


def _bounds(recording: Recording, file: soundfile.SoundFile) -> tuple[int, int]:
    """First and last frame of the recording, after comparing the file's header with the manifest."""
    path, rate, frames = recording.file, file.samplerate, file.frames
    if recording.sample_rate is not None and recording.sample_rate != rate:
        raise DataError(
            f"{path}: the manifest says {recording.sample_rate} Hz, the file {rate} Hz; correct the column sample_rate"
        )
    first = round(recording.start * rate)
    last = frames if recording.end is None else round(recording.end * rate)
    promised = last - first if recording.duration is None else round(recording.duration * rate)
    held = min(last, frames) - first
    if held < promised - TOLERANCE_SECONDS * rate:
        raise DataError(
            f"{path}: truncated, {max(held, 0)} of {promised} frames are there ({max(held, 0) / promised:.0%}); "
            "copy the file again, or correct the manifest's duration"
        )
    if held < 1:
        raise DataError(f"{path}: the clip begins at {recording.start} s, the file ends at {frames / rate:.2f} s")
    if held < SHORTEST_SECONDS * rate:
        raise DataError(f"{path}: {too_short(held / rate)}")
    return first, min(last, frames)


def _mono(file: soundfile.SoundFile, first: int, frames: int, path: str) -> Wave:
    file.seek(first)
    channels = file.read(frames, dtype="float32", always_2d=True)
    if len(channels) < frames - TOLERANCE_SECONDS * file.samplerate:
        raise DataError(
            f"{path}: truncated, {len(channels)} of {frames} frames decode from frame {first}; copy the file again"
        )
    return _mixed(channels, path)


def _mixed(channels: NDArray[np.float32], path: str) -> Wave:
    """The mean of the channels, [T, channels] -> [T], after a look at their values."""
    peak = float(np.abs(channels).max(initial=0.0))  # NaN where any sample is
    if not math.isfinite(peak):
        raise DataError(not_finite(path))
    if peak > LOUDEST:
        raise DataError(too_loud(path, peak))
    wave: Wave = channels[:, 0] if channels.shape[1] == 1 else channels.mean(axis=1)
    return wave


def _padded(wave: Wave, form: AudioFormat) -> Wave:
    if len(wave) == form.samples:
        return wave
    if form.pad == "repeat":
        return np.resize(wave, form.samples)
    padded = np.zeros(form.samples, np.float32)
    padded[: len(wave)] = wave
    return padded
