"""Which release of emoclap wrote a checkpoint or a run folder, and whether this one can read it."""

import re
from typing import Any

# The one place that says it: an installation's metadata, which an editable one does not renew, are made from it.
__version__ = "0.2.0"
RELEASE_KEY = "emoclap"
# What earlier releases wrote has other names and another layout.
OLDEST_READ = "0.2.0"


def release() -> str:
    """This release, as ``0.2.0``."""
    return __version__


def unreadable(wrote: Any) -> str | None:
    """Say why this release cannot read what another one wrote, if it cannot: that is an earlier or a later one.

    Args:
        wrote: The release that is noted in it; None where none is.

    >>> unreadable("0.1.0")
    'was written by emoclap 0.1.0, and 0.2.0 reads nothing older than 0.2.0; run the stage that writes it again'
    """
    if wrote is None:
        return (
            f"does not say which release of emoclap wrote it, and {release()} reads nothing older than {OLDEST_READ}; "
            "run the stage that writes it again"
        )
    if not isinstance(wrote, str) or not _numbers(wrote):
        return f"is nothing that emoclap wrote: its release is {str(wrote)[:40]!r}"
    if _numbers(wrote) < _numbers(OLDEST_READ):
        return (
            f"was written by emoclap {wrote}, and {release()} reads nothing older than {OLDEST_READ}; "
            "run the stage that writes it again"
        )
    if _numbers(wrote) > _numbers(release()):
        return (
            f"was written by emoclap {wrote}, and this is {release()}; install that release or a later one, or run "
            "the stage that writes it again"
        )
    return None


def _numbers(text: str) -> list[int]:
    """The leading numbers, ``[0, 2]`` of ``0.2.0rc1``; zeros at the end mean nothing."""
    found = re.match(r"\d{1,9}(\.\d{1,9})*", text)
    numbers = [int(part) for part in found.group().split(".")] if found else []
    while numbers and not numbers[-1]:
        numbers.pop()
    return numbers
