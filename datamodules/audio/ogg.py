"""Whether an Ogg file (Vorbis, Opus) is whole: decoders pass over what is missing without a word."""

import zlib
from typing import BinaryIO

_HEADER, _LAST = 27, 4
# Ogg's checksum is that of zlib with the bits of every byte in the other order (RFC 3533, section 6).
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def ogg_fault(file: BinaryIO) -> str:
    """What is wrong with the pages of an Ogg file, or nothing.

    Every page has a checksum, and the last page of a stream says that it is the last.

    Args:
        file: Open at its beginning, where ``OggS`` has been seen.
    """
    place, ended = 0, False
    while head := file.read(_HEADER):
        if len(head) < _HEADER or head[:4] != b"OggS":
            # After the last page: a tag that some program has added.
            return "" if ended else f"damaged or cut at byte {place}, where an Ogg page should begin"
        lengths = file.read(head[26])
        body = file.read(sum(lengths))
        if len(lengths) < head[26] or len(body) < sum(lengths):
            return f"truncated at byte {place + _HEADER + len(lengths) + len(body)}, in the middle of an Ogg page"
        if _checksum(head[:22] + bytes(4) + head[26:] + lengths + body) != int.from_bytes(head[22:26], "little"):
            return f"damaged: the Ogg page at byte {place} is not what its checksum says"
        ended = bool(head[5] & _LAST)
        place += len(head) + len(lengths) + len(body)
    return "" if ended else f"truncated at byte {place}: its last Ogg page is missing"


def _checksum(page: bytes) -> int:
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)
