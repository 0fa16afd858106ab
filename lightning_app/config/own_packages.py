"""Our top-level packages have plain names (`models`, `losses`); nothing else of that name stands for them."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

OWN = ("emoclap", "lightning_app", "stages", "models", "losses", "datamodules")
ROOT = Path(__file__).resolve().parents[2]
# Python's own variable; unlike -P it reaches the ranks that Lightning and torchrun start, too.
SAFE_PATH = "PYTHONSAFEPATH"


class OwnPackages:
    """Finds our packages beside this one, whatever the current folder, PYTHONPATH and ``sys.path`` hold."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """As the import system calls it; None leaves a name to the other finders."""
        return PathFinder.find_spec(name, [str(ROOT)], target) if path is None and name in OWN else None


def find_own_packages_first() -> None:
    """Ask for our packages before anything else is searched; calling it again changes nothing."""
    if not any(getattr(finder, "__name__", "") == OwnPackages.__name__ for finder in sys.meta_path):
        sys.meta_path.insert(0, OwnPackages)


@contextmanager
def current_folder_unsearched() -> Iterator[None]:
    """Keep the processes that are started inside from importing what lies in the current folder."""
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        os.environ.pop(SAFE_PATH)
        if before is not None:
            os.environ[SAFE_PATH] = before
