"""How long an mp3 file is by its own frames: a decoder that is told no length estimates it, and stops there."""

import os
from typing import BinaryIO

# Layer III (ISO 11172-3 and 13818-3): kbit/s by the header's number, for MPEG 1 and for MPEG 2 and 2.5.
_KBITS = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}

# Samples in frames that need be no sound: what an encoder may add before and after it, and a frame that tells of both.
_ADDED = 2 * 4095 + 1152


def mp3_fault(file: BinaryIO, heard: float) -> str:
    """What is wrong where a decoder has heard less than there are frames, or nothing.

    Args:
        file: Open for reading; tags before its first frame are passed over.
        heard: Seconds that were decoded.
    """
    place, seconds, rate = _after_tags(file), 0.0, 1
    size = file.seek(0, os.SEEK_END)
    while True:
        file.seek(place)
        length, samples, rate_here = _frame(file.read(4))
        if length == 0 or place + length > size:
            break
        place, seconds, rate = place + length, seconds + samples / rate_here, rate_here
    if seconds <= heard + _ADDED / rate:
        return ""
    return f"its decoder stops after {heard:.1f} of {seconds:.1f} s: its first frame does not tell its length"


def _after_tags(file: BinaryIO) -> int:
    """Where the first frame begins."""
    place = 0
    while True:
        file.seek(place)
        head = file.read(10)
        if len(head) < 10 or head[:3] != b"ID3":
            return place
        size = 0
        for byte in head[6:]:
            size = size << 7 | byte & 0x7F
        place += 10 + size


def _frame(head: bytes) -> tuple[int, int, int]:
    """Bytes, samples and rate of the frame that begins with these four bytes; zeros where none of layer III does."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0, 0, 0
    version, bitrate, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version not in _RATES or bitrate in (0, 15) or rate == 3:
        return 0, 0, 0
    hertz, samples, kbits = _RATES[version][rate], *((1152, _KBITS[0]) if version == 3 else (576, _KBITS[1]))
    padding = head[2] >> 1 & 1
    return samples // 8 * 1000 * kbits[bitrate] // hertz + padding, samples, hertz
