"""The release of emoclap, and the check of the one that wrote a checkpoint or a run folder."""

import re
from typing import Any

# The package metadata are made from it; those of an editable installation may be outdated.
__version__ = "0.2.0"
RELEASE_KEY = "emoclap"
# Files of earlier releases have other names and another layout.
OLDEST_READ = "0.2.0"


def release() -> str:
    """Return this release, such as ``0.2.0``."""
    return __version__


def unreadable(wrote: Any) -> str | None:
    """Explain why this release cannot read a file of another one; None if it can.

    Args:
        wrote: Release that wrote the file, as noted there; None without a note.

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
    """Parse the leading numbers without zeros at the end: ``[0, 2]`` of ``0.2.0rc1``."""
    found = re.match(r"\d{1,9}(\.\d{1,9})*", text)
    numbers = [int(part) for part in found.group().split(".")] if found else []
    while numbers and not numbers[-1]:
        numbers.pop()
    return numbers
