"""Which release of emoclap wrote a checkpoint, and whether this one can read it."""

import re
from collections.abc import Mapping
from typing import Any

# The one place that says it: an installation's metadata, which an editable one does not renew, are made from it.
__version__ = "0.1.0"
RELEASE_KEY = "emoclap"


def release() -> str:
    """This release, as ``0.1.0``."""
    return __version__


def unreadable(checkpoint: Mapping[str, Any]) -> str | None:
    """Say why this release cannot read a checkpoint, if it cannot: a later one wrote it, whose parts may mean more.

    Checkpoints of earlier releases, and those of before the release was noted in them, are read.
    """
    wrote = checkpoint.get(RELEASE_KEY)
    if wrote is None:
        return None
    if not isinstance(wrote, str) or not _numbers(wrote):
        return f"is no checkpoint of emoclap: its release is {str(wrote)[:40]!r}"
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
