"""One chain at a time in a runs folder."""

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from lightning_app.config_files import ConfigError


@contextlib.contextmanager
def locked(runs: Path) -> Iterator[int]:
    """Hold ``chain.lock`` of a runs folder; yields the file descriptor.

    A process that inherits the descriptor keeps the lock: should the chain be killed, nobody else starts while its
    stage still runs. The system frees the lock of processes that are gone; nobody has to delete the file.

    Raises:
        ConfigError: If another chain holds it; names its host, process and age.
    """
    runs.mkdir(parents=True, exist_ok=True)
    path = runs / "chain.lock"
    with path.open("a+", encoding="utf-8") as file:
        holder = _holder(file)
        if not _take(file, holder) or (holder and holder["host"] != socket.gethostname()):
            raise ConfigError(_refusal(path, holder))
        _write(file, {"host": socket.gethostname(), "pid": os.getpid(), "since": time.time()})
        try:
            yield file.fileno()
        finally:
            _write(file, None)


def _take(file: IO[str], holder: dict[str, str | float] | None) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        # A file system without locks: all there is to go by is whether the process is alive.
        return holder is None or not Path(f"/proc/{holder['pid']}").exists()
    return True


def _holder(file: IO[str]) -> dict[str, str | float] | None:
    file.seek(0)
    try:
        holder = json.loads(file.read())
    except ValueError:
        return None
    return holder if isinstance(holder, dict) and {"host", "pid", "since"} <= set(holder) else None


def _write(file: IO[str], holder: dict[str, str | float] | None) -> None:
    file.seek(0)
    file.truncate()
    file.write(json.dumps(holder) if holder else "")
    file.flush()


def _refusal(path: Path, holder: dict[str, str | float] | None) -> str:
    if holder is None:
        return f"{path}: another chain is starting here; try again"
    minutes = (time.time() - float(holder["since"])) / 60
    return (
        f"{path}: another chain runs here: process {holder['pid']} on {holder['host']}, since {minutes:.0f} min. "
        f"Wait for it or end it; if nothing runs on {holder['host']} any more, delete {path}"
    )
