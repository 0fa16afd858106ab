"""One process at a time in a folder."""

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

Holder = dict[str, str | float]


@contextlib.contextmanager
def locked(path: Path, other: str) -> Iterator[int]:
    """Hold a lock file; yields its file descriptor.

    A process that inherits the descriptor keeps the lock: should a chain be killed, nobody else starts while its stage
    still runs. The system frees the lock of processes that are gone; nobody has to delete the file.

    Args:
        path: The lock file, such as ``runs/demo/chain.lock``; its folder is there.
        other: What to say of whoever holds it, such as ``another chain runs here``.

    Raises:
        ConfigError: If somebody else holds it; names the host, the process and how long it has been there.
    """
    with path.open("a+", encoding="utf-8") as file:
        holder = _holder(file)
        if not _take(file, holder) or _elsewhere(holder):
            raise ConfigError(f"{path}: {_refusal(path, other, holder)}")
        job = os.environ.get("SLURM_JOB_ID", "")
        _write(file, {"host": socket.gethostname(), "pid": os.getpid(), "since": time.time(), "job": job})
        try:
            yield file.fileno()
        finally:
            _write(file, None)


def _elsewhere(holder: Holder | None) -> bool:
    """Whether a process of another machine may be at work: a lock that was taken here says nothing about that.

    A job that SLURM has put back into the queue may start on another machine; its first life is over.
    """
    if holder is None or holder["host"] == socket.gethostname():
        return False
    job = os.environ.get("SLURM_JOB_ID")
    return not (job and holder.get("job") == job)


def _take(file: IO[str], holder: Holder | None) -> bool:
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


def _holder(file: IO[str]) -> Holder | None:
    file.seek(0)
    try:
        holder = json.loads(file.read())
    except ValueError:
        return None
    return holder if isinstance(holder, dict) and {"host", "pid", "since"} <= set(holder) else None


def _write(file: IO[str], holder: Holder | None) -> None:
    file.seek(0)
    file.truncate()
    file.write(json.dumps(holder) if holder else "")
    file.flush()


def _refusal(path: Path, other: str, holder: Holder | None) -> str:
    if holder is None:
        return f"{other}: it is just starting; try again"
    minutes = (time.time() - float(holder["since"])) / 60
    return (
        f"{other}: process {holder['pid']} on {holder['host']}, since {minutes:.0f} min. "
        f"Wait for it or end it; if nothing runs on {holder['host']} any more, delete {path}"
    )
