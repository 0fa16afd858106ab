"""What a manifest records of an audio file: its length, its rate, its hash; and why a file is no audio."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import soundfile

from datamodules.errors import DataError

_BYTE_ORDER: dict[bytes, Literal["little", "big"]] = {b"RIFF": "little", b"FORM": "big"}


@dataclass(frozen=True)
class Recording:
    """A readable audio file.

    Args:
        duration: in seconds.
        sample_rate: in Hz.
        sha256: of the file, or empty where it was not asked for.
    """

    duration: float
    sample_rate: int
    sha256: str


def describe(path: Path, hashed: bool = True) -> Recording:
    """Read a file's header, and all of it for the hash. The format is told by content, not by the ending.

    Raises:
        DataError: missing, empty, no audio, without a single frame, or cut short.
    """
    path = Path(path)
    try:
        _require_whole(path)
        header = soundfile.info(str(path))
        digest = _sha256(path) if hashed else ""
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except soundfile.LibsndfileError as error:
        raise DataError(f"{path}: not audio that libsndfile reads ({error.error_string}){_looks_like(path)}") from error
    if header.samplerate <= 0 or header.frames <= 0:
        raise DataError(f"{path}: empty audio, {header.frames} frames at {header.samplerate} Hz")
    return Recording(header.frames / header.samplerate, header.samplerate, digest)


def _require_whole(path: Path) -> None:
    """Compare the size in a RIFF (wav) or FORM (AIFF) header with the file's: libsndfile reads a cut file silently."""
    size = os.path.getsize(path)
    if size == 0:
        raise DataError(f"{path}: the file is empty")
    with path.open("rb") as file:
        head = file.read(8)
    order = _BYTE_ORDER.get(head[:4])
    if order is None or len(head) < 8:
        return
    promised = int.from_bytes(head[4:], order) + 8
    # Programs that write into a pipe do not know the size and leave 0 or the greatest number.
    if 8 < promised < 0x7FFFFFFF and size < promised - 1:
        raise DataError(f"{path}: truncated, {size} of {promised} bytes ({size / promised:.0%}); copy the file again")


def _looks_like(path: Path) -> str:
    head = path.read_bytes()[:200].lstrip().lower()
    if head.startswith(b"version https://git-lfs"):
        return "; this is a git-lfs pointer: run git lfs pull"
    if head.startswith((b"<!doctype html", b"<html")):
        return "; this is a web page: download the file again"
    return ""


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
