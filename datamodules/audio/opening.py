"""Opening a file as audio, whatever its name says; and saying what a file is that is none."""

import errno
import os
import shlex
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import soundfile

from datamodules.errors import DataError

# A crystal clock of 1 kHz is no rate for speech, and no recorder goes beyond 768 kHz: such a header is damaged.
LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000
_UNKNOWN_LENGTH = 2**63 - 1  # frames that libsndfile tells of a FLAC file that was written into a pipe
_SYSTEM_ERROR = 2  # libsndfile's number for "the operating system refused"


@contextmanager
def open_audio(path: str) -> Iterator[soundfile.SoundFile]:
    """A regular file, open for decoding; the format is told by content.

    Raises:
        OSError: The file is not there or cannot be read; decoding inside the context may raise it, too.
        DataError: It is no regular file, no audio, without a frame, or its header has a rate that no recording has.
    """
    # A pipe would block until somebody writes into it.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise DataError(f"{path}: is no regular file, but a folder, a pipe or a device; name an audio file")
        try:
            with soundfile.SoundFile(descriptor, closefd=False) as file:
                _check_header(path, file)
                yield file
        except soundfile.LibsndfileError as error:
            if error.code == _SYSTEM_ERROR:
                raise OSError(errno.EIO, os.strerror(errno.EIO), path) from error
            raise DataError(
                f"{path}: cannot be read as audio ({error.error_string or error}){looks_like(Path(path))}"
            ) from None
    finally:
        os.close(descriptor)


def looks_like(path: Path) -> str:
    """The end of a message about a file that is no readable audio: what it is instead, and what to do."""
    head = b""
    with suppress(OSError), path.open("rb") as file:
        head = file.read(400)
    text = head.lstrip().lower()
    if not head:
        return "; it is empty: copy it again"
    if text.startswith(b"version https://git-lfs"):
        return "; it is a git-lfs pointer: run git lfs pull"
    if text.startswith((b"<!doctype html", b"<html", b"<?xml")):
        return "; it is a web page: download the file again"
    if head[4:8] == b"ftyp" or head.startswith((b"\x1aE\xdf\xa3", b"0&\xb2u")):
        return f"; convert it: {converting(path)}"
    return "; it is no audio file, or damaged"


def converting(path: Path) -> str:
    """The command that makes a wav of a file, under a name that the file does not have itself."""
    name = f"{path.stem}.wav" if path.suffix.lower() != ".wav" else f"{path.stem}_converted.wav"
    return shlex.join(["ffmpeg", "-i", path.name, name])


def _check_header(path: str, file: soundfile.SoundFile) -> None:
    if file.frames == 0:
        raise DataError(f"{path}: empty audio, no samples at all; record it again, or remove its row")
    if file.frames == _UNKNOWN_LENGTH:
        raise DataError(f"{path}: its length is not in the header; convert it: {converting(Path(path))}")
    if not LOWEST_RATE <= file.samplerate <= HIGHEST_RATE:
        raise DataError(
            f"{path}: the header says {file.samplerate} Hz, expected {LOWEST_RATE} to {HIGHEST_RATE}; "
            "it is damaged, or it has to be resampled"
        )
