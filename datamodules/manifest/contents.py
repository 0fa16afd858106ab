"""Verification of recordings against the manifest's hashes; a file of unchanged size and time is not read again."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pandas as pd

from datamodules.audio.opening import retry
from datamodules.files import sha256
from datamodules.manifest.tables import write_table

Stamp = tuple[str, int, int]
"""A file's absolute path, its size in bytes, and when it was written, in nanoseconds."""

_COLUMNS = ["file", "size", "written", "sha256"]


class Contents:
    """Cache of the SHA-256 of files by their stamps, in memory and on disk.

    A file is read again only when its stamp changes. Every ``remember`` writes a table of its own, at once or not at
    all, so that runs side by side do not disturb each other. A damaged table is removed, and a folder that cannot be
    written ignored.

    Args:
        cache: As ``datamodules.cache.cache_folder`` gives it; None keeps everything in memory.
    """

    def __init__(self, cache: Path | None) -> None:
        self._folder = None if cache is None else cache / "contents"
        self._known: dict[Stamp, str] = {}
        self._read: set[Path] = set()

    def remember(self, found: Mapping[Stamp, str]) -> None:
        """Note the SHA-256 of files whose stamps were taken before they were read."""
        self._known.update(found)
        if self._folder is None or not found:
            return
        table = pd.DataFrame([(*stamp, sha256) for stamp, sha256 in sorted(found.items())], columns=_COLUMNS)
        name = hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()[:32]
        with suppress(OSError):
            write_table(table, self._folder / f"{name}.parquet")

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
        self._load()
        stamps = {file: stamp for file in expected if (stamp := stamp_of(file)) is not None}
        # A share of all, not of what is unknown: another rank may have finished before this one looked.
        self._hash_unknown(list(stamps.values())[rank::world])
        barrier()
        self._load()
        self._hash_unknown(list(stamps.values()))
        changed: dict[str, str] = {}
        for file, stamp in stamps.items():
            found = self._known.get(stamp, expected[file])
            if found != expected[file]:
                changed[file] = (
                    f"{file}: its sha256 is {found[:12]}..., the manifest says {expected[file][:12]}...: one of the "
                    "two has changed since; make the manifest again: lightning-cli prepare"
                )
        return changed

    def _hash_unknown(self, stamps: Sequence[Stamp]) -> None:
        self.remember(_hashed([stamp for stamp in stamps if stamp not in self._known]))

    def _load(self) -> None:
        if self._folder is None:
            return
        for table in sorted(self._folder.glob("*.parquet")):
            if table in self._read:
                continue
            self._read.add(table)
            try:
                for file, size, written, digest in pd.read_parquet(table)[_COLUMNS].itertuples(index=False):
                    self._known[str(file), int(size), int(written)] = str(digest)
            except (OSError, ValueError, KeyError):
                with suppress(OSError):
                    table.unlink(missing_ok=True)


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
