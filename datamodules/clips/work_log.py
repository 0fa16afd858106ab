"""What loader processes are at work on, so that one that dies can be asked for its recording."""

import atexit
import multiprocessing
import os
import re
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.utils.data import get_worker_info

from datamodules.errors import DataError

# Processes of one loader whose work is written down; two numbers each.
MOST = 512
NOTHING = -1
_DEAD = re.compile(r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\) (is killed by signal: [\w ]+|exited unexpectedly)")


class WorkLog:
    """Which item each loader process is reading, in memory that it shares with the main process.

    Args:
        place: Says where an item comes from, by its index.
    """

    def __init__(self, place: Callable[[int], str]) -> None:
        self.place = place
        self._entries: Any = multiprocessing.RawArray("q", 2 * MOST)  # process id and index of the item, by worker
        _LOGS.add(self)

    @contextmanager
    def reading(self, index: int) -> Iterator[None]:
        """Write down that this process reads an item, until the block ends; in the main process write nothing."""
        worker = get_worker_info()
        if worker is None or worker.id >= MOST:
            yield
            return
        self._entries[2 * worker.id] = os.getpid()
        self._entries[2 * worker.id + 1] = index
        try:
            yield
        finally:
            self._entries[2 * worker.id + 1] = NOTHING

    def read_by(self, process: int) -> str | None:
        """Where the item comes from that a process, perhaps dead, was reading; None if it was reading none."""
        for worker in range(MOST):
            number, index = self._entries[2 * worker : 2 * worker + 2]
            if number == process and index != NOTHING:
                return self.place(index)
        return None


# What the loaders of this process are at work on.
_LOGS: weakref.WeakSet[WorkLog] = weakref.WeakSet()


def death_of_a_worker(error: BaseException) -> DataError | None:
    """What a person needs to know of a loader process that died; None if the error is another one."""
    said = _words(error)
    found = next((match for text in said if (match := _DEAD.search(text))), None)
    if found is None:
        return None
    processes, how = [int(number) for number in found[1].split(",")], found[2]
    read = [place for log in _LOGS for number in processes if (place := log.read_by(number)) is not None]
    while_reading = f" while it read {' and '.join(read)}" if read else "; it was reading no recording"
    remedy = "take that recording out, or decode it anew" if read else "set data.loading.num_workers to 0 to see why"
    if "Killed" in how:
        remedy = "the system kills processes so when memory runs out: set data.loading.num_workers or batch_size lower"
    elif "Bus error" in how:
        remedy = "its shared memory (/dev/shm) may be too small: make that larger, or set data.loading.num_workers 0"
    return DataError(f"loader process {found[1]} {how.strip()}{while_reading}; {remedy}")


def _words(error: BaseException | None) -> list[str]:
    """What an error and those behind it say: the first one often says less, of the signal nothing."""
    said: list[str] = []
    while isinstance(error, RuntimeError):
        said.insert(0, str(error))
        error = error.__cause__ or error.__context__
    return said


def _kill_helpers() -> None:
    for child in multiprocessing.active_children():
        if child.daemon:
            child.kill()


# Python would ask what is left of them to end by SIGTERM, which they ignore, and wait for ever.
atexit.register(_kill_helpers)
