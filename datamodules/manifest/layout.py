"""Finding a corpus's recordings in the folder that the user points at."""

import logging
import os
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from datamodules.errors import DataError

logger = logging.getLogger(__name__)


def find_clips(root: Path, pattern: str, expected: str) -> list[tuple[Path, dict[str, str]]]:
    """The recordings under a folder whose names follow the corpus's scheme.

    Args:
        root: folder of the corpus, or any folder above it.
        pattern: regular expression with named groups for the whole file name without its ending; case is ignored.
        expected: the published layout in words, for the message.

    Returns:
        Path and named groups of each recording, sorted by name. Recordings with other names are logged as left out.

    Raises:
        DataError: no such folder, no such recording in it, or the same recording twice.
    """
    root = Path(os.path.abspath(root))
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; expected {expected}")
    files = sorted(_wav_files(root), key=lambda path: (path.stem, path))
    matches = [(path, re.fullmatch(pattern, path.stem, re.IGNORECASE)) for path in files]
    clips = [(path, match.groupdict()) for path, match in matches if match]
    if not clips:
        entries = sorted(entry.name + "/" * entry.is_dir() for entry in root.iterdir())
        listed = ", ".join(entries[:5]) + (", ..." if len(entries) > 5 else "")
        raise DataError(
            f"{root}: expected {expected}; found {len(files)} wav files, none so named, in a folder holding "
            f"{listed or 'nothing'}"
        )
    for (first, _), (second, _) in pairwise(clips):
        if first.stem == second.stem:
            raise DataError(f"{root}: the same clip twice, {first} and {second}; name the folder that holds one copy")
    others = [path.name for path, match in matches if not match]
    if others:
        listed = ", ".join(others[:5]) + (", ..." if len(others) > 5 else "")
        logger.warning("%s: %d wav files are left out, because their names are others: %s", root, len(others), listed)
    return clips


def _wav_files(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        # Names that begin with a dot are the traces of a Mac's archives.
        yield from (Path(folder, name) for name in names if name.lower().endswith(".wav") and name[0] != ".")
