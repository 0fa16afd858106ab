"""Vectors by key, kept in a folder of files that are never changed."""

import hashlib
import io
import json
import re
import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datamodules.files import replacing

Rows = NDArray[Any]
KEY_BYTES = 32
_SHARD = re.compile(r"[0-9a-f]{64}\.npy")


class KeptRows:
    """Vectors by key, in memory and on disk.

    Every `add` writes a file of its own, named after the SHA-256 of its bytes: writers need no lock, a reader sees a
    file whole or not at all, and damage shows. What is damaged is deleted with a warning, and is then missing. Where a
    file cannot be written, its rows stay in memory, with one warning, and the run goes on.

    Args:
        folder: Made when the first file is written. None keeps everything in memory.
        about: What the folder holds, for people: written beside the files as ``meta.json``.
    """

    def __init__(self, folder: Path | None, about: Mapping[str, object] | None = None) -> None:
        self.folder, self._about = folder, dict(about or {})
        self.writable = folder is not None
        self._known: set[Path] = set()
        self._rows: dict[bytes, Rows] = {}
        self._width = 0
        self._type: np.dtype[Any] = np.dtype(np.float32)
        self.refresh()

    def __len__(self) -> int:
        return len(self._rows)

    def refresh(self) -> None:
        """Take in the files that other processes wrote since."""
        try:
            found = sorted(self.folder.iterdir()) if self.folder else []
        except OSError:
            return  # not made yet, or not ours to read; writing will say so
        for path in found:
            if _SHARD.fullmatch(path.name) and path not in self._known:
                content = _whole_content(path)
                if content is not None:
                    self._known.add(path)
                    self._take_in(np.load(io.BytesIO(content), allow_pickle=False))

    def missing(self, keys: Sequence[bytes]) -> list[int]:
        """List the indices of the keys without a row, each at its first occurrence only."""
        first: dict[bytes, int] = {}
        for index, key in enumerate(keys):
            if key not in self._rows:
                first.setdefault(key, index)
        return list(first.values())

    def read(self, keys: Sequence[bytes]) -> Rows:
        """Return the rows of N keys, [N, D]; a missing one is NaN, or 0 among integers."""
        nothing = np.full(self._width, np.nan if self._type.kind == "f" else 0, self._type)
        rows = [self._rows.get(key, nothing) for key in keys]
        return np.array(rows, self._type).reshape(len(keys), self._width)

    def add(self, keys: Sequence[bytes], row_ND: Rows) -> None:
        """Write one file: N keys of 32 bytes each, and their rows, [N, D].

        A key that is there already keeps the row it has.

        Raises:
            ValueError: If the rows are of another width than those that are there.
        """
        if not len(keys):
            return
        shard = np.empty(len(keys), [("key", "u1", (KEY_BYTES,)), ("feature", row_ND.dtype, (row_ND.shape[1],))])
        shard["key"] = np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), KEY_BYTES)
        shard["feature"] = row_ND
        self._take_in(shard)
        if self.folder is not None and self.writable:
            try:
                self._known.add(self._publish(self.folder, shard))
            except OSError as error:
                self.writable = False
                warnings.warn(f"{self.folder}: cannot be written ({error}); held in memory instead", stacklevel=2)

    def _take_in(self, shard: NDArray[np.void]) -> None:
        width, kind = shard.dtype["feature"].shape[0], shard.dtype["feature"].base
        if self._rows and width != self._width:
            raise ValueError(f"{self.folder}: features of {width} numbers among some of {self._width}; delete it")
        self._width, self._type = width, kind
        keys = shard["key"].tobytes()
        for place, row in enumerate(shard["feature"]):
            self._rows.setdefault(keys[KEY_BYTES * place : KEY_BYTES * (place + 1)], row)

    def _publish(self, folder: Path, shard: NDArray[np.void]) -> Path:
        if not (folder / "meta.json").exists():
            created = datetime.now(UTC).isoformat(timespec="seconds")
            about = {**self._about, "width": self._width, "created": created}
            with replacing(folder / "meta.json") as part:
                part.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        stream = io.BytesIO()
        np.save(stream, shard, allow_pickle=False)
        path = folder / f"{hashlib.sha256(stream.getvalue()).hexdigest()}.npy"
        with replacing(path) as part:
            part.write_bytes(stream.getvalue())
        return path


def _whole_content(path: Path) -> bytes | None:
    """The bytes of a file if they have the hash that is its name; one whose bytes have not is deleted."""
    try:
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() == path.stem:
            return content
        path.unlink()
        warnings.warn(f"{path}: damaged, its bytes are not what was written; computed anew", stacklevel=4)
    except FileNotFoundError:
        pass  # another process deleted it first, and has said so
    except OSError as error:
        warnings.warn(f"{path}: cannot be used ({error}); computed anew", stacklevel=4)
    return None
