"""Reading of clips: crop, mix down, resample and pad one stretch of an audio file."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import soundfile
import soxr
from numpy.typing import ArrayLike, NDArray

from datamodules.audio.decoding import MAX_SAMPLE, TOLERANCE_SECONDS, not_finite, too_loud
from datamodules.audio.inspection import SHORTEST_SECONDS, too_short
from datamodules.audio.opening import open_audio, retry
from datamodules.errors import DataError

Wave = NDArray[np.float32]


@dataclass(frozen=True)
class AudioSegment:
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
    """Rate and length of the waveforms that an encoder takes.

    Args:
        sample_rate: In Hz.
        seconds: Length of every waveaudio_format.
        pad: How a shorter recording is filled: ``zero`` with silence, ``repeat`` with itself.
        resample_via: Rate in Hz to which audio is resampled first, to band-limit it to what another encoder takes.
    """

    sample_rate: int
    seconds: float = 5.0
    pad: Literal["zero", "repeat"] = "zero"
    resample_via: int | None = None

    @property
    def samples(self) -> int:
        """Length of every waveform in samples."""
        return round(self.seconds * self.sample_rate)


def read_crop(
    segment: AudioSegment, audio_format: AudioFormat, position: float = 0.5, speed: float = 1.0
) -> tuple[Wave, int]:
    """Read one crop of a segment, and no more of its file than that.

    Args:
        segment: Where it is.
        audio_format: Rate and length of the waveaudio_format.
        position: Of the crop in a longer segment: 0 at its beginning, 1 at its end.
        speed: Factor on tempo and pitch, as if the recording were played faster.

    Returns:
        The waveform [T], float32, and the number of samples before padding.

    Raises:
        DataError: If the file is missing, unreadable, empty, shorter than the manifest says or than
            ``SHORTEST_SECONDS``, at another rate, or holds samples that are NaN, infinite or far beyond full scale.
    """
    seconds = audio_format.seconds * speed
    try:
        wave, rate = retry(lambda: _read(segment, seconds, position))
    except FileNotFoundError:
        raise DataError(
            f"{segment.file}: no such file; correct the manifest's path, or put the recording there"
        ) from None
    except OSError as error:
        raise DataError(f"{segment.file}: cannot be read ({error.strerror or error})") from None
    return _resample_and_pad(wave, rate * speed, audio_format)


def crop_samples(
    samples: ArrayLike, rate: int, audio_format: AudioFormat, name: str = "the recording"
) -> tuple[Wave, int]:
    """Take the middle of a recording in memory, as ``read_crop`` takes that of a file.

    Args:
        samples: [T], or [T, channels], in [-1, 1].
        rate: Their rate in Hz.
        audio_format: Rate and length of the waveform.
        name: The recording's, for messages.

    Returns:
        The waveform, float32, and the number of samples before padding.

    Raises:
        DataError: If they are of another shape, shorter than ``SHORTEST_SECONDS``, or hold samples that are NaN,
            infinite or far beyond full scale.
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
    first, last = _crop(0, len(channels), math.ceil(audio_format.seconds * rate), 0.5)
    return _resample_and_pad(_mix_down(channels[first:last], name), rate, audio_format)


def _resample_and_pad(wave: Wave, rate: float, audio_format: AudioFormat) -> tuple[Wave, int]:
    """Return the waveform at its rate and length, and the number of samples before padding."""
    for target in (audio_format.resample_via, audio_format.sample_rate):
        if target is not None and rate != target:
            wave = soxr.resample(wave, rate, target)
            rate = target
    length = min(len(wave), audio_format.samples)
    return _pad(wave[:length], audio_format), length


def _crop(first: int, last: int, frames: int, position: float) -> tuple[int, int]:
    """Bound a crop of this many frames or fewer, at a position from 0 at the beginning to 1 at the end."""
    if last - first > frames:
        first += round(position * (last - first - frames))
        last = first + frames
    return first, last


def _read(segment: AudioSegment, seconds: float, position: float) -> tuple[Wave, int]:
    """Read at most ``seconds`` of a segment, mixed down, and their rate in Hz."""
    path = segment.file
    with open_audio(path) as file:
        first, last = _bounds(segment, file)
        first, last = _crop(first, last, math.ceil(seconds * file.samplerate), position)
        frames = last - first
        file.seek(first)
        channels = file.read(frames, dtype="float32", always_2d=True)
        if len(channels) < frames - TOLERANCE_SECONDS * file.samplerate:
            raise DataError(
                f"{path}: truncated, {len(channels)} of {frames} frames decode from frame {first}; copy the file again"
            )
        return _mix_down(channels, path), file.samplerate


def _bounds(segment: AudioSegment, file: soundfile.SoundFile) -> tuple[int, int]:
    """Find the first and last frame of the segment, after comparing the file's header with the manifest."""
    path = segment.file
    rate = file.samplerate
    if segment.sample_rate is not None and segment.sample_rate != rate:
        raise DataError(
            f"{path}: the manifest says {segment.sample_rate} Hz, the file {rate} Hz; correct the column sample_rate"
        )
    first = round(segment.start * rate)
    last = file.frames if segment.end is None else round(segment.end * rate)
    promised = last - first if segment.duration is None else round(segment.duration * rate)
    last = min(last, file.frames)
    present = last - first
    if present < promised - TOLERANCE_SECONDS * rate:
        raise DataError(
            f"{path}: truncated, {max(present, 0)} of {promised} frames are there ({max(present, 0) / promised:.0%}); "
            "copy the file again, or correct the manifest's duration"
        )
    if present < 1:
        raise DataError(f"{path}: the clip begins at {segment.start} s, the file ends at {file.frames / rate:.2f} s")
    if present < SHORTEST_SECONDS * rate:
        raise DataError(f"{path}: {too_short(present / rate)}")
    return first, last


def _mix_down(channels: NDArray[np.float32], path: str) -> Wave:
    """Average the channels, [T, channels] -> [T], after a check of their samples."""
    peak = float(np.abs(channels).max(initial=0.0))  # NaN where any sample is
    if not math.isfinite(peak):
        raise DataError(not_finite(path))
    if peak > MAX_SAMPLE:
        raise DataError(too_loud(path, peak))
    wave: Wave = channels[:, 0] if channels.shape[1] == 1 else channels.mean(axis=1)
    return wave


def _pad(wave: Wave, audio_format: AudioFormat) -> Wave:
    if len(wave) == audio_format.samples:
        return wave
    if audio_format.pad == "repeat":
        return np.resize(wave, audio_format.samples)
    padded = np.zeros(audio_format.samples, np.float32)
    padded[: len(wave)] = wave
    return padded
