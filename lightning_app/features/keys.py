"""What makes two features the same: the input, and what is done to it before and in the tower."""

import os
from dataclasses import asdict
from importlib.metadata import version

import soundfile

from datamodules.audio.reading import AudioFormat, AudioSegment
from datamodules.cache import key_of

# To be raised whenever `read_crop` or the form of a shard changes: features of before are then left alone.
READING = 1


def clip_key(recording: AudioSegment, sha256: str = "") -> bytes:
    """Name the sound of a clip, 32 bytes.

    Args:
        recording: Where it is.
        sha256: Of the whole file, as the manifest says and `datamodules.manifest.contents` has seen, so that a moved or
            copied corpus keeps its features. Without it the file's path, size and time of change stand in, so that a
            file written anew is another file.
    """
    if sha256:
        return key_of("sha256", sha256.strip().lower(), recording.start, recording.end)
    path = os.path.abspath(recording.file)
    try:
        found = os.stat(path)
    except OSError:
        # Reading it will say what is wrong, and what cannot be read is never kept.
        return key_of("no file", path, recording.start, recording.end)
    return key_of("file", path, found.st_size, found.st_mtime_ns, recording.start, recording.end)


def text_key(text: str) -> bytes:
    """Name a text, 32 bytes."""
    return key_of("text", text)


def transform_key(form: AudioFormat | None, precision: str, device: str) -> str:
    """Name the way from an input to its feature, all but the tower's own weights and settings; 64 hexadecimal digits.

    Libraries and the kind of device count: they change the last digits of a number, and sometimes the first.

    Args:
        form: How audio is read, always the middle of the clip; None for texts.
        precision: In which the tower computes, such as ``32-true`` or ``bf16-mixed``.
        device: Kind of device, ``cpu`` or ``cuda``.
    """
    libraries = {name: version(name) for name in ("torch", "transformers")}
    if form is None:
        return key_of("texts", precision, device, libraries).hex()
    libraries |= {name: version(name) for name in ("soxr", "torchaudio")}
    libraries["libsndfile"] = soundfile.__libsndfile_version__
    return key_of("clips", READING, asdict(form), precision, device, libraries).hex()
