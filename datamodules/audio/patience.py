"""A few more tries for what a network disk could not do just now."""

import errno
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

# What may be gone a moment later: a stale handle of NFS, a server that restarts, a device that was busy.
PASSING = frozenset({errno.ESTALE, errno.EIO, errno.EAGAIN, errno.EINTR, errno.ETIMEDOUT})
WAITS = (0.1, 0.5, 2.0)
"""Seconds before each further try."""


def patiently(action: Callable[[], Result]) -> Result:
    """Call `action`, and call it again where it fails with an error that may pass, at most ``len(WAITS)`` times.

    Raises:
        OSError: One that does not pass, such as of a file that is not there, or the last one.
    """
    for wait in WAITS:
        try:
            return action()
        except OSError as error:
            if error.errno not in PASSING:
                raise
        time.sleep(wait)
    return action()
