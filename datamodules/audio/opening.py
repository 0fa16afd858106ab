"""Opening of audio files, whatever their names say, also from a network disk that fails now and then."""

import errno
import os
import shlex
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import soundfile

from datamodules.errors import DataError

# A crystal clock of 1 kHz is no rate for speech, and no recorder goes beyond 768 kHz: such a header is damaged.
LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000
_UNKNOWN_LENGTH = 2**63 - 1  # frames that libsndfile tells of a FLAC file that was written into a pipe
_SYSTEM_ERROR = 2  # libsndfile's number for "the operating system refused"

Result = TypeVar("Result")
# What may be gone a moment later: a stale handle of NFS, a server that restarts, a device that was busy.
_TRANSIENT = frozenset({errno.ESTALE, errno.EIO, errno.EAGAIN, errno.EINTR, errno.ETIMEDOUT})
_WAITS = (0.1, 0.5, 2.0)  # seconds before each further try


@contextmanager
def open_audio(path: str) -> Iterator[soundfile.SoundFile]:
    """Open a regular file for decoding; its content tells the format.

    Raises:
        OSError: If the file is not there or cannot be read; decoding inside the context may raise it, too.
        DataError: If it is no regular file, no audio, without a frame, or its header has a rate that no recording has.
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
                f"{path}: cannot be read as audio ({error.error_string or error}){_describe_content(Path(path))}"
            ) from None
    finally:
        os.close(descriptor)


def retry(action: Callable[[], Result]) -> Result:
    """Call ``action``, and call it again where it fails with an error that may pass, at most three times.

    Raises:
        OSError: One that does not pass, such as of a file that is not there, or the last one.
    """
    for wait in _WAITS:
        try:
            return action()
        except OSError as error:
            if error.errno not in _TRANSIENT:
                raise
        time.sleep(wait)
    return action()


def conversion_command(path: Path) -> str:
    """Compose the command that makes a wav of a file, under a name that the file does not have itself."""
    name = f"{path.stem}_converted.wav" if path.suffix.lower() == ".wav" else f"{path.stem}.wav"
    return shlex.join(["ffmpeg", "-i", path.name, name])


def _check_header(path: str, file: soundfile.SoundFile) -> None:
    if file.frames == 0:
        raise DataError(f"{path}: empty audio, no samples at all; record it again, or remove its row")
    if file.frames == _UNKNOWN_LENGTH:
        raise DataError(f"{path}: its length is not in the header; convert it: {conversion_command(Path(path))}")
    if not LOWEST_RATE <= file.samplerate <= HIGHEST_RATE:
        raise DataError(
            f"{path}: the header says {file.samplerate} Hz, expected {LOWEST_RATE} to {HIGHEST_RATE}; "
            "it is damaged, or it has to be resampled"
        )


def _describe_content(path: Path) -> str:
    """Say what a file is that is no readable audio, and what to do, as the end of a message."""
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
        return f"; convert it: {conversion_command(path)}"
    return "; it is no audio file, or damaged"
