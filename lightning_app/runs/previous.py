"""What a run folder held before: kept beside the new run until that has succeeded."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from lightning_app.runs.files import BESIDE, COMPUTED, DONE_JSON, PREVIOUS, STARTED_JSON


def holds_run(folder: Path) -> bool:
    """Whether a folder holds anything that a run has computed, and that another one would write over."""
    return next(_files(folder, COMPUTED), None) is not None


def set_aside(folder: Path) -> None:
    """Move the files of the run that a folder holds into its folder ``previous``.

    A run that had succeeded and lies there already has not been replaced by a successful one: it stays, and what came
    after it goes. One that had not succeeded goes itself. So the folder ``previous`` holds files of one run alone.
    """
    if not holds_run(folder):
        return
    kept = folder / PREVIOUS
    moved, succeeded = (kept / STARTED_JSON).exists(), (kept / DONE_JSON).exists()
    if (folder / DONE_JSON).is_file() or (moved and not succeeded):
        shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(exist_ok=True)
    whole = (kept / STARTED_JSON).exists()
    for path in list(_files(folder, (*COMPUTED, *BESIDE))):
        if whole or (kept / path.name).exists():
            path.unlink(missing_ok=True)
        elif path.exists():
            path.rename(kept / path.name)


def forget(folder: Path) -> None:
    """Delete what was set aside; its successor is done."""
    shutil.rmtree(folder / PREVIOUS, ignore_errors=True)


def _files(folder: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
    for pattern in patterns:
        yield from (path for path in sorted(folder.glob(pattern)) if path.is_file())
