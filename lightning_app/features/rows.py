"""Features as a sequence, read from the shards that hold them when they are asked for."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from datamodules.errors import DataError

Features: TypeAlias = NDArray[np.float32]
Shard: TypeAlias = NDArray[np.void]
KEY_BYTES = 32


def shard_type(width: int) -> np.dtype[np.void]:
    """One row of a shard: the input's key, and its feature."""
    return np.dtype([("key", "u1", (KEY_BYTES,)), ("feature", "<f4", (width,))])


@lru_cache(maxsize=256)  # each holds a file descriptor, and a process may commonly have 1024
def map_shard(path: Path) -> Shard:
    """A shard as a memory map; every process opens its own, and pages are read when they are touched.

    Raises:
        DataError: If the file is gone.
    """
    try:
        shard: Shard = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"{path}: was removed while it was in use; start again, it will be computed anew") from None
    return shard


class StoredRows:
    """N features, [N, D], left on disk: ``[index]`` reads what is asked for, as of an array.

    Args:
        shards: Memory-mapped files, or arrays where a shard could not be written.
        shard_N: The shard of each row; -1 where there is no feature, which reads as NaN.
        place_N: The row inside that shard.
        width: D.
    """

    def __init__(
        self, shards: Sequence[Path | Shard], shard_N: NDArray[np.int64], place_N: NDArray[np.int64], width: int
    ) -> None:
        self._shards, self._shard_N, self._place_N = shards, shard_N, place_N
        self.shape = (len(shard_N), width)

    @property
    def nbytes(self) -> int:
        """Bytes that all rows take in memory."""
        return 4 * self.shape[0] * self.shape[1]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int | slice | Sequence[int] | NDArray[np.int64]) -> Features:
        shard_M, place_M = np.atleast_1d(self._shard_N[index]), np.atleast_1d(self._place_N[index])
        rows = np.full((len(shard_M), self.shape[1]), np.nan, np.float32)
        for number in np.unique(shard_M[shard_M >= 0]):
            here = shard_M == number
            shard = self._shards[number]
            rows[here] = (map_shard(shard) if isinstance(shard, Path) else shard)["feature"][place_M[here]]
        return rows[0] if isinstance(index, int | np.integer) else rows
