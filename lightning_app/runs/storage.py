"""What the file system refuses, in words: a full disk, a folder without permission."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning_app.errors import ConfigError, StorageError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NOT_THERE = (
    errno.ENOENT,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say which file could not be written, why, and how much space there is.

    Raises:
        StorageError: In place of what the system, or a library that met it, raises.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        met = system_error(error)
        if met is None:
            raise
        raise StorageError(f"{path}: {refusal(met, path)}; what was saved before is whole") from error


def as_mistake(error: BaseException) -> StorageError | ConfigError | None:
    """Put a refusal of the system that nobody has put into words; None for any other error.

    A full disk is nobody's mistake, with exit code 1; a path that cannot be read or written is one of usage, with 2.
    """
    if not isinstance(error, OSError) or error.errno not in (*FULL, *NOT_THERE):
        return None
    path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else None
    if error.errno in FULL:
        return StorageError(f"{path or 'a file'}: {refusal(error, path or Path.cwd())}")
    # Without a name the library's own words have it.
    return ConfigError(f"{path}: {os.strerror(error.errno)}; name another path" if path else str(error))


def system_error(error: BaseException | None) -> OSError | None:
    """The system's own error behind another one: a writer that is closed half-way complains of something else."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error


def refusal(error: OSError, path: Path) -> str:
    """Say why a path cannot be written, and what mends it."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    folder = next((each for each in (path, *path.absolute().parents) if each.is_dir()), Path("/"))
    if error.errno in FULL:
        free = shutil.disk_usage(folder).free / 1e6
        return f"cannot be written: {reason} ({free:,.0f} MB free in {folder}); make room and run the command again"
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        file = next((each for each in (path, *path.absolute().parents) if each.is_file()), path)
        return f"cannot be written: {file} is a file; name another folder"
    return f"cannot be written: {reason}; make {folder} writable, or name another folder"
