"""Features by key, in files that are never changed."""

import hashlib
import io
import json
import os
import re
import time
import uuid
import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from lightning.pytorch.utilities import rank_zero_warn

from lightning_app.features.rows import KEY_BYTES, Features, Shard, StoredRows, map_shard, shard_type

_SHARD = re.compile(r"[0-9a-f]{64}\.npy")
_ABANDONED_SECONDS = 24 * 3600


class FeatureStore:
    """The features of one tower under one transform.

    Opening it reads every shard once and compares its bytes with its name; what differs is deleted with a warning and
    is then missing. A shard that cannot be written stays in memory, with one warning, and the run goes on.

    Args:
        folder: Of the shards; made when the first is written. None keeps everything in memory.
        about: What the folder holds, for people: written beside the shards as ``meta.json``.
    """

    def __init__(self, folder: Path | None, about: Mapping[str, object] | None = None) -> None:
        self.folder, self._about = folder, dict(about or {})
        self.writable = folder is not None
        self._shards: list[Path | Shard] = []
        self._known: set[Path] = set()
        self._place: dict[bytes, tuple[int, int]] = {}
        self._width = 0
        self.refresh()

    def __len__(self) -> int:
        return len(self._place)

    def refresh(self) -> None:
        """Take in the shards that other processes wrote since."""
        try:
            found = sorted(self.folder.iterdir()) if self.folder else []
        except OSError:
            return  # not made yet, or not ours to read; writing will say so
        for path in found:
            if path.suffix == ".part":
                _remove_abandoned(path)
            elif _SHARD.fullmatch(path.name) and path not in self._known and _is_whole(path):
                self._known.add(path)
                shard = map_shard(path)
                self._require_width(shard.dtype["feature"].shape[0])
                self._index(path, shard)

    def missing(self, keys: Sequence[bytes]) -> list[int]:
        """Where the keys without a feature stand, each at its first place only."""
        first = {key: place for place, key in reversed(list(enumerate(keys))) if key not in self._place}
        return sorted(first.values())

    def add(self, keys: Sequence[bytes], feature_ND: Features) -> None:
        """Write one shard: N keys of 32 bytes each, and their features, [N, D].

        A key that is there already keeps the feature it has.
        """
        if not len(keys):
            return
        self._require_width(feature_ND.shape[1])
        shard = np.empty(len(keys), shard_type(feature_ND.shape[1]))
        shard["key"] = np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), KEY_BYTES)
        shard["feature"] = feature_ND
        if self.folder is not None and self.writable:
            try:
                path = self._publish(self.folder, shard)
            except OSError as error:
                self.writable = False
                rank_zero_warn(f"{self.folder}: cannot be written ({error}); features are held in memory instead")
            else:
                self._known.add(path)
                self._index(path, shard)
                return
        self._index(shard, shard)

    def read(self, keys: Sequence[bytes]) -> Features:
        """Return the features of N keys, [N, D].

        Raises:
            KeyError: If one is missing.
        """
        if lacking := self.missing(keys):
            raise KeyError(f"{len(lacking)} of {len(keys)} features are missing, the first is {keys[lacking[0]].hex()}")
        return self.rows(keys)[:]

    def rows(self, keys: Sequence[bytes]) -> StoredRows:
        """Return the features of N keys, left on disk; a missing one reads as NaN."""
        places = np.array([self._place.get(key, (-1, 0)) for key in keys], np.int64).reshape(len(keys), 2)
        return StoredRows(list(self._shards), places[:, 0], places[:, 1], self._width)

    def _require_width(self, width: int) -> None:
        if self._place and width != self._width:
            raise ValueError(f"{self.folder}: features of {width} numbers among some of {self._width}; delete it")

    def _index(self, where: Path | Shard, shard: Shard) -> None:
        self._width = shard.dtype["feature"].shape[0]
        number = len(self._shards)
        self._shards.append(where)
        keys = shard["key"].tobytes()
        for row in range(len(shard)):
            self._place.setdefault(keys[KEY_BYTES * row : KEY_BYTES * (row + 1)], (number, row))

    def _publish(self, folder: Path, shard: Shard) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "meta.json").exists():
            created = datetime.now(UTC).isoformat(timespec="seconds")
            about = {**self._about, "width": shard.dtype["feature"].shape[0], "created": created}
            _write(folder / "meta.json", (json.dumps(about, indent=2) + "\n").encode())
        stream = io.BytesIO()
        np.save(stream, shard, allow_pickle=False)
        content = stream.getvalue()
        path = folder / f"{hashlib.sha256(content).hexdigest()}.npy"
        _write(path, content)
        return path


def _write(path: Path, content: bytes) -> None:
    """Make a file appear whole: written under another name in the same folder, brought to disk, renamed."""
    part = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _is_whole(path: Path) -> bool:
    """Whether the file's bytes have the hash that is its name; one whose bytes have not is deleted."""
    try:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == path.stem:
                return True
            # Another process may have found the damage too, and have written the shard anew by now.
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                path.unlink()
                map_shard.cache_clear()
                warnings.warn(f"{path}: damaged, its bytes are not what was written; computed anew", stacklevel=4)
    except FileNotFoundError:
        pass  # another process deleted it first, and has said so
    except OSError as error:
        warnings.warn(f"{path}: cannot be used ({error}); computed anew", stacklevel=4)
    return False


def _remove_abandoned(part: Path) -> None:
    """Delete what a process left that was killed while it wrote; a young file may still be growing."""
    try:
        if time.time() - part.stat().st_mtime > _ABANDONED_SECONDS:
            part.unlink()
    except OSError:
        pass  # in somebody else's hands
