"""A lock file: one process at a time in a folder, on one machine or several."""

import contextlib
import errno
import fcntl
import json
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from lightning_app.chain.launch import is_active
from lightning_app.errors import ConfigError

Holder = dict[str, str | float]
# Seconds between two signs of life, and without one until the process of another machine is taken for dead.
RENEWAL, SILENCE = 30.0, 600.0


@contextlib.contextmanager
def locked(path: Path, other: str) -> Iterator[int]:
    """Hold a lock file; yields its file descriptor.

    A process that inherits the descriptor keeps the lock: should a chain be killed, nobody else starts while its stage
    still runs. The system frees the lock of processes of this machine that are gone.

    Not every shared file system knows of locks that another machine holds. So whoever holds the file also renews its
    time twice a minute, and what another machine has left, killed hard, is taken when the cluster says that its job
    is over or, without a job to ask about, when it has been silent for ten minutes. Nobody has to delete the file.

    Args:
        path: The lock file, such as ``runs/demo/chain.lock``; its folder is there.
        other: What to say of whoever holds it, such as ``another chain runs here``.

    Raises:
        ConfigError: If somebody else holds it; names the host, the process and how long it has been there. Or if
            the cluster does not answer whether the job that left it is over.
    """
    with path.open("a+", encoding="utf-8") as file:
        holder = _holder(file)
        if not _acquire(file, holder) or _held_elsewhere(file, holder):
            raise ConfigError(f"{path}: {_refusal(path, other, holder)}")
        job = os.environ.get("SLURM_JOB_ID", "")
        _write(file, {"host": socket.gethostname(), "pid": os.getpid(), "since": time.time(), "job": job})
        try:
            with _renewed(file):
                yield file.fileno()
        finally:
            _write(file, None)


@contextlib.contextmanager
def _renewed(file: IO[str]) -> Iterator[None]:
    """Give a file the present time, as the file system counts it, over and over."""
    over = threading.Event()

    def renew() -> None:
        while not over.wait(RENEWAL):
            with contextlib.suppress(OSError):  # a disk that is away for a moment
                os.utime(file.fileno())

    thread = threading.Thread(target=renew, name=f"renews {file.name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _held_elsewhere(file: IO[str], holder: Holder | None) -> bool:
    """Whether a process of another machine may be at work: a lock that was taken here says nothing about that.

    A job that SLURM has put back into the queue may start on another machine; its first life is over.
    """
    if holder is None or holder["host"] == socket.gethostname():
        return False
    job = holder.get("job")
    if job and job == os.environ.get("SLURM_JOB_ID"):
        return False
    if job and shutil.which("squeue") is not None:
        return is_active(str(job))
    return _seconds_of_silence(file) < SILENCE


def _seconds_of_silence(file: IO[str]) -> float:
    """Since the last sign of life; by the file system's clock, as this machine's may be wrong."""
    with tempfile.TemporaryFile(dir=Path(file.name).parent) as now:
        return os.fstat(now.fileno()).st_mtime - os.fstat(file.fileno()).st_mtime


def _acquire(file: IO[str], holder: Holder | None) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        # A file system without locks: all there is to go by is whether a process of this machine is alive.
        here = holder is not None and holder["host"] == socket.gethostname()
        return not (here and holder and Path(f"/proc/{holder['pid']}").exists())
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
        f"Wait for it or end it; if nothing runs on {holder['host']} any more, delete {path}, or try again "
        f"{SILENCE / 60:.0f} min after its end"
    )
