"""Faults of Ogg pages and mp3 frames that decoders pass over in silence."""

import os
import zlib
from typing import BinaryIO

_PAGE_HEADER = 27  # bytes
_LAST_PAGE = 4  # a bit of the page's flags
# Ogg's checksum is that of zlib with the bits of every byte in the other order (RFC 3533, section 6).
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))

# Layer III (ISO 11172-3 and 13818-3): kbit/s by the header's number, for MPEG 1 and for MPEG 2 and 2.5.
_KBITS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MPEG_1 = 3
_RATES = {_MPEG_1: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
# Samples of silence that an encoder may add before and after the recording, and the frame that tells how many.
_ADDED_SAMPLES = 2 * 4095 + 1152


def ogg_fault(file: BinaryIO) -> str:
    """Find what is missing or damaged in an Ogg file (Vorbis, Opus).

    Every page has a checksum, and the last page of a stream says that it is the last.

    Args:
        file: Open at its beginning, where ``OggS`` has been seen.

    Returns:
        The fault in words, or "".
    """
    offset = 0
    ended = False
    while head := file.read(_PAGE_HEADER):
        if len(head) < _PAGE_HEADER or head[:4] != b"OggS":
            # After the last page: a tag that some program has added.
            return "" if ended else f"damaged or cut at byte {offset}, where an Ogg page should begin"
        lengths = file.read(head[26])
        body = file.read(sum(lengths))
        end = offset + len(head) + len(lengths) + len(body)
        if len(lengths) < head[26] or len(body) < sum(lengths):
            return f"truncated at byte {end}, in the middle of an Ogg page"
        if _ogg_checksum(head[:22] + bytes(4) + head[26:] + lengths + body) != int.from_bytes(head[22:26], "little"):
            return f"damaged: the Ogg page at byte {offset} is not what its checksum says"
        ended = bool(head[5] & _LAST_PAGE)
        offset = end
    return "" if ended else f"truncated at byte {offset}: its last Ogg page is missing"


def mp3_fault(file: BinaryIO, decoded_seconds: float) -> str:
    """Compare what was decoded with the frames there are: a decoder estimates an untold length, and stops there.

    Args:
        file: Open for reading; tags before its first frame are passed over.
        decoded_seconds: How much was decoded.

    Returns:
        The fault in words, or "".
    """
    size = file.seek(0, os.SEEK_END)
    offset = _first_frame(file)
    seconds = 0.0
    sample_rate = 1
    while True:
        file.seek(offset)
        frame = _parse_frame(file.read(4))
        if frame is None or offset + frame[0] > size:
            break
        length, samples, sample_rate = frame
        offset += length
        seconds += samples / sample_rate
    if seconds <= decoded_seconds + _ADDED_SAMPLES / sample_rate:
        return ""
    return f"its decoder stops after {decoded_seconds:.1f} of {seconds:.1f} s: its first frame does not tell its length"


def _ogg_checksum(page: bytes) -> int:
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


def _first_frame(file: BinaryIO) -> int:
    """Find the offset of the first frame, after all ID3 tags."""
    offset = 0
    while True:
        file.seek(offset)
        head = file.read(10)
        if len(head) < 10 or head[:3] != b"ID3":
            return offset
        size = 0
        for byte in head[6:]:
            size = size << 7 | byte & 0x7F
        offset += 10 + size


def _parse_frame(head: bytes) -> tuple[int, int, int] | None:
    """Read bytes, samples and rate of a frame from its first four bytes; None where no frame of layer III begins."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return None
    version = head[1] >> 3 & 3
    bitrate = head[2] >> 4
    rate = head[2] >> 2 & 3
    padding = head[2] >> 1 & 1
    if version not in _RATES or bitrate in (0, 15) or rate == 3:
        return None
    sample_rate = _RATES[version][rate]
    samples = 1152 if version == _MPEG_1 else 576
    kbits = _KBITS_1 if version == _MPEG_1 else _KBITS_2
    length = samples // 8 * 1000 * kbits[bitrate] // sample_rate + padding
    return length, samples, sample_rate
