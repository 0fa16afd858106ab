"""Verification of recordings against the manifest's hashes; a file of unchanged size and time is not read again."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from datamodules.audio.opening import retry
from datamodules.cache import key_of
from datamodules.files import sha256
from datamodules.kept_rows import KeptRows

Stamp = tuple[str, int, int]
"""A file's absolute path, its size in bytes, and when it was written, in nanoseconds."""


class Contents:
    """Cache of the SHA-256 of files by their stamps, in memory and on disk.

    A file is read again only when its stamp changes.

    Args:
        cache: As ``datamodules.cache.cache_folder`` gives it; None keeps everything in memory.
    """

    def __init__(self, cache: Path | None) -> None:
        about = {"what": "SHA-256 of files by path, size and time; may be deleted"}
        self._hashes = KeptRows(cache / "contents" if cache else None, about)

    def remember(self, found: Mapping[Stamp, str]) -> None:
        """Note the SHA-256 of files whose stamps were taken before they were read."""
        stamps = list(found)
        new = [stamps[index] for index in self._hashes.missing(_keys(stamps))]
        hashes = [list(bytes.fromhex(found[stamp])) for stamp in new]
        self._hashes.add(_keys(new), np.array(hashes, np.uint8))

    def changed(
        self,
        expected: Mapping[str, str],
        rank: int = 0,
        world: int = 1,
        barrier: Callable[[], object] = lambda: None,
    ) -> dict[str, str]:
        """Find the files that hold something else than was expected, each with a message.

        Call it on every rank; each reads its share of what is not known yet. Missing files are no matter here.

        Args:
            expected: SHA-256 by file, from the manifest.
            rank: Of this process.
            world: Number of processes.
            barrier: Waits for all processes.
        """
        self._hashes.refresh()
        stamps = {file: stamp for file in expected if (stamp := stamp_of(file)) is not None}
        # By position, not by what is unknown: another rank may have finished before this one looked.
        self._hash_unknown(list(stamps.values())[rank::world])
        barrier()
        self._hashes.refresh()
        self._hash_unknown(list(stamps.values()))
        known = [file for file, stamp in stamps.items() if not self._hashes.missing(_keys([stamp]))]
        rows = self._hashes.read(_keys([stamps[file] for file in known]))
        problems = {}
        for file, row in zip(known, rows, strict=True):
            found = row.tobytes().hex()
            if found != expected[file]:
                problems[file] = (
                    f"{file}: its sha256 is {found[:12]}..., the manifest says {expected[file][:12]}...: one of the "
                    "two has changed since; make the manifest again: lightning-cli prepare"
                )
        return problems

    def _hash_unknown(self, stamps: Sequence[Stamp]) -> None:
        self.remember(_hashed([stamps[index] for index in self._hashes.missing(_keys(stamps))]))


def _keys(stamps: Sequence[Stamp]) -> list[bytes]:
    return [key_of(*stamp) for stamp in stamps]


def stamp_of(file: str) -> Stamp | None:
    """Stamp a file; None where it is not there, or cannot be looked at."""
    try:
        found = retry(lambda: os.stat(file))
    except (OSError, ValueError):
        return None
    return os.path.abspath(file), found.st_size, found.st_mtime_ns


def _hashed(stamps: Sequence[Stamp]) -> dict[Stamp, str]:
    """Hash each file; those that cannot be read are left out, and reported when they are read as audio."""

    def digest(stamp: Stamp) -> str:
        try:
            return retry(lambda: sha256(Path(stamp[0])))
        except OSError:
            return ""

    with ThreadPoolExecutor(min(8, 2 * (os.cpu_count() or 1))) as pool:
        return {stamp: sha256 for stamp, sha256 in zip(stamps, pool.map(digest, stamps), strict=True) if sha256}
