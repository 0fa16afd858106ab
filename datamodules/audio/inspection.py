"""Inspection of audio files: length, rate and hash for the manifest, or the reason why a file is unusable."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from datamodules.audio.containers import mp3_fault, ogg_fault
from datamodules.audio.decoding import captured_stderr, decode_all
from datamodules.audio.opening import conversion_command, open_audio, retry
from datamodules.errors import DataError
from datamodules.files import sha256

SHORTEST_SECONDS = 0.025
"""A shorter clip is refused: encoders of speech read frames of 25 ms, and a part of one says nothing."""

# Programs that write into a pipe, such as sox, leave sizes from here on in a header, where they know none.
_UNKNOWN_SIZE = 0x7FFFF000
_BYTE_ORDER: dict[bytes, Literal["little", "big"]] = {b"RIFF": "little", b"FORM": "big"}


@dataclass(frozen=True)
class AudioInfo:
    """What a manifest records of a readable audio file.

    Args:
        duration: In seconds, of what was decoded.
        sample_rate: In Hz.
        sha256: Of the file, or empty where it was not asked for.
        oddity: One of ``datamodules.audio.decoding.ODDITIES``, or empty.
    """

    duration: float
    sample_rate: int
    sha256: str
    oddity: str = ""


def inspect_audio(path: Path, hashed: bool = True) -> AudioInfo:
    """Read a file to its end: decode it, and hash it. Its content tells the format, not its ending.

    What the decoder writes on the standard error stream of this process is caught: call it from one thread alone.

    Raises:
        DataError: If it is missing, empty, no audio, without a single frame, cut short, damaged, shorter than
            ``SHORTEST_SECONDS``, or has samples that are NaN, infinite or far beyond full scale.
    """
    path = Path(path)
    try:
        return retry(lambda: _inspect(path, hashed))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def inspect_all(files: Sequence[str], hashed: bool = True) -> list[AudioInfo | str]:
    """Inspect each file; the message about a file that is unusable stands in for its information."""
    outcomes: list[AudioInfo | str] = []
    for file in files:
        try:
            outcomes.append(inspect_audio(Path(file), hashed))
        except DataError as error:
            outcomes.append(str(error))
    return outcomes


def _inspect(path: Path, hashed: bool) -> AudioInfo:
    with captured_stderr() as messages, open_audio(str(path)) as file:
        _require_promised_size(path)
        frames, oddity = decode_all(file, str(path))
        rate = file.samplerate
        audio_format = file.format
    for message in messages:
        # The others are about tags and about bytes passed over.
        if "error:" in message and "/id3.c:" not in message:
            reason = message.split("error:")[1].strip()
            raise DataError(f"{path}: damaged, its decoder says {reason!r}; copy the file again")
    if audio_format == "OGG":
        with path.open("rb") as stream:
            if fault := ogg_fault(stream):
                raise DataError(f"{path}: {fault}; copy the file again")
    if audio_format == "MP3":
        with path.open("rb") as stream:
            if fault := mp3_fault(stream, frames / rate):
                raise DataError(f"{path}: {fault}; convert it: {conversion_command(path)}")
    if frames < SHORTEST_SECONDS * rate:
        raise DataError(f"{path}: {too_short(frames / rate)}")
    return AudioInfo(frames / rate, rate, sha256(path) if hashed else "", oddity)


def too_short(seconds: float) -> str:
    """Compose the end of the message about a clip that no encoder can use."""
    return (
        f"the clip has {1000 * seconds:.1f} ms, expected at least {1000 * SHORTEST_SECONDS:g}; lengthen it, or "
        "remove its row"
    )


def _require_promised_size(path: Path) -> None:
    """Compare the size in a RIFF (wav) or FORM (AIFF) header with the file's: libsndfile reads a cut file silently."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
    order = _BYTE_ORDER.get(head[:4])
    if order is None or len(head) < 8:
        return
    promised = int.from_bytes(head[4:], order) + 8
    # 0 is written where the size was not known, too.
    if 8 < promised < _UNKNOWN_SIZE and size < promised - 1:
        raise DataError(f"{path}: truncated, {size} of {promised} bytes ({size / promised:.0%}); copy the file again")
