"""What a manifest records of an audio file: its length, its rate, its hash; and why a file is no audio."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from datamodules.audio.decoder_noise import decoder_noise
from datamodules.audio.decoding import hear
from datamodules.audio.mp3 import mp3_fault
from datamodules.audio.ogg import ogg_fault
from datamodules.audio.opening import converting, open_audio
from datamodules.audio.patience import patiently
from datamodules.errors import DataError
from datamodules.files import sha256

SHORTEST_SECONDS = 0.025
"""A shorter clip is refused: encoders of speech hear frames of 25 ms, and a part of one says nothing."""

_UNWRITTEN = 0x7FFFF000
"""Sizes in a header from here on: programs that write into a pipe leave them, sox this one, where they know none."""

_BYTE_ORDER: dict[bytes, Literal["little", "big"]] = {b"RIFF": "little", b"FORM": "big"}


@dataclass(frozen=True)
class Recording:
    """A readable audio file.

    Args:
        duration: in seconds, of what was decoded.
        sample_rate: in Hz.
        sha256: of the file, or empty where it was not asked for.
        oddity: one of `datamodules.audio.decoding.ODDITIES`, or empty.
    """

    duration: float
    sample_rate: int
    sha256: str
    oddity: str = ""


def describe(path: Path, hashed: bool = True) -> Recording:
    """Read a file to its end: decode it, and hash it. The format is told by content, not by the ending.

    What the decoder writes on the standard error stream of this process is caught: call it from one thread alone.

    Raises:
        DataError: missing, empty, no audio, without a single frame, cut short, damaged, shorter than
            `SHORTEST_SECONDS`, or with samples that are no sound.
    """
    path = Path(path)
    try:
        return patiently(lambda: _describe(path, hashed))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def describe_all(files: Sequence[str], hashed: bool = True) -> list[Recording | str]:
    """`describe` each file; what is wrong with it takes the place of a recording."""
    return [_try(file, hashed) for file in files]


def _try(file: str, hashed: bool) -> Recording | str:
    try:
        return describe(Path(file), hashed)
    except DataError as error:
        return str(error)


def _describe(path: Path, hashed: bool) -> Recording:
    with decoder_noise() as noise, open_audio(str(path)) as file:
        _require_whole(path)
        frames, oddity = hear(file, str(path))
        rate, form = file.samplerate, file.format
    if wrong := next((line for line in noise if _is_of_sound(line)), ""):
        raise DataError(f"{path}: damaged, its decoder says {wrong.split('error:')[1].strip()!r}; copy the file again")
    if form == "OGG":
        with path.open("rb") as stream:
            if fault := ogg_fault(stream):
                raise DataError(f"{path}: {fault}; copy the file again")
    if form == "MP3":
        with path.open("rb") as stream:
            if fault := mp3_fault(stream, frames / rate):
                raise DataError(f"{path}: {fault}; convert it: {converting(path)}")
    if frames < SHORTEST_SECONDS * rate:
        raise DataError(f"{path}: {too_short(frames / rate)}")
    return Recording(frames / rate, rate, sha256(path) if hashed else "", oddity)


def _is_of_sound(line: str) -> bool:
    """Whether a decoder reports an error in the sound; the others are of tags and of bytes passed over."""
    return "error:" in line and "/id3.c:" not in line


def too_short(seconds: float) -> str:
    """The end of the message about a clip of which an encoder hears nothing."""
    return (
        f"the clip has {1000 * seconds:.1f} ms, expected at least {1000 * SHORTEST_SECONDS:g}; lengthen it, or "
        "remove its row"
    )


def _require_whole(path: Path) -> None:
    """Compare the size in a RIFF (wav) or FORM (AIFF) header with the file's: libsndfile reads a cut file silently."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
    order = _BYTE_ORDER.get(head[:4])
    if order is None or len(head) < 8:
        return
    promised = int.from_bytes(head[4:], order) + 8
    # 0 is written where the size was not known, too.
    if 8 < promised < _UNWRITTEN and size < promised - 1:
        raise DataError(f"{path}: truncated, {size} of {promised} bytes ({size / promised:.0%}); copy the file again")
