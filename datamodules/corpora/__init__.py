"""Corpora, a module each, which describes itself: a file added here is all that ``prepare`` needs to know a corpus.

A module holds ``CORPUS``, and the reader that it names: a function that turns the folder, as published, into manifest
rows. A reader reads names and tables, never audio.
"""

import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from pkgutil import iter_modules

from datamodules.errors import DataError
from datamodules.labels import LabelSet, did_you_mean, nearest

logger = logging.getLogger(__name__)

Row = dict[str, object]


@dataclass(frozen=True)
class Corpus:
    """A published corpus.

    Args:
        name: As the manifest's column ``corpus`` has it.
        title: Its full name.
        license: As its publisher states it.
        label_set: The classes in which it is commonly evaluated.
        rows: Reader: manifest rows from the corpus's folder, with ``file``, the absolute path of a recording. Raises
            ``DataError`` where the folder is not laid out as published. None for a corpus that is synthesized.
        counts: Published number of clips per emotion.
        known_bad: Clips (by id) that are known to be unusable, and why.
        known_bad_version: Number of that list, raised whenever it changes: manifests of two versions are two corpora.
        releases: Numbers of clips by which a release can be told, all of them or those of its training part, before or
            after leaving out what has no class; each with the release's name.
    """

    name: str
    title: str
    license: str
    label_set: LabelSet
    rows: Callable[[Path], list[Row]] | None
    counts: Mapping[str, int] = field(default_factory=dict)
    known_bad: Mapping[str, str] = field(default_factory=dict)
    known_bad_version: int = 0
    releases: Mapping[int, str] = field(default_factory=dict)


def corpus_names() -> list[str]:
    """List the modules beside this one, in alphabetical order, without importing them."""
    return sorted(module.name for module in iter_modules(__path__))


def find_corpus(name: str) -> Corpus:
    """Import the corpus of a module beside this one, or of a module from elsewhere, such as ``mylab.mycorpus``.

    Raises:
        DataError: If there is no such module, or it holds no ``CORPUS``.
    """
    known = corpus_names()
    module = f"{__name__}.{name}" if name in known else name
    try:
        corpus = getattr(import_module(module), "CORPUS", None)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # of a package that the module imports
        raise DataError(
            f"found the corpus {name!r}, expected one of {', '.join(known)}, or a module of your own, such as "
            f"mylab.mycorpus (--plugins DIR says where it is){did_you_mean(nearest(name, known))}"
        ) from error
    if not isinstance(corpus, Corpus):
        raise DataError(f"the module {module} holds no corpus; expected CORPUS = datamodules.corpora.Corpus(...) in it")
    return corpus


def prepare_command(manifest: Path) -> str:
    """Compose the command that makes a manifest, whose folder is named as the corpus."""
    name = manifest.parent.name
    if name not in corpus_names():
        source = "table my.csv"
    elif find_corpus(name).rows is None:
        source = name
    else:
        source = f"{name} ROOT"
    return f"lightning-cli prepare {source} --out {manifest}"


def find_clips(root: Path, pattern: str, expected: str) -> list[tuple[Path, dict[str, str]]]:
    """Find the recordings under a folder whose names follow the corpus's scheme.

    Args:
        root: Folder of the corpus, or any folder above it.
        pattern: Regular expression with named groups for the whole file name without its ending; case is ignored.
        expected: The published layout in words, for the message.

    Returns:
        Path and named groups of each recording, sorted by name. Recordings with other names are logged as left out.

    Raises:
        DataError: If there is no such folder, no such recording in it, or the same recording twice.
    """
    root = Path(os.path.abspath(root))
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; expected {expected}")
    files = sorted(_wav_files(root), key=lambda path: (path.stem, path))
    clips: list[tuple[Path, dict[str, str]]] = []
    others: list[str] = []
    for path in files:
        match = re.fullmatch(pattern, path.stem, re.IGNORECASE)
        if match:
            clips.append((path, match.groupdict()))
        else:
            others.append(path.name)
    if not clips:
        entries = sorted(entry.name + "/" * entry.is_dir() for entry in root.iterdir())
        raise DataError(
            f"{root}: expected {expected}; found {len(files)} wav files, none so named, in a folder holding "
            f"{_first_five(entries) or 'nothing'}"
        )
    for (first, _), (second, _) in pairwise(clips):
        if first.stem == second.stem:
            raise DataError(f"{root}: the same clip twice, {first} and {second}; name the folder that holds one copy")
    if others:
        logger.warning(
            "%s: %d wav files are left out, because their names are others: %s", root, len(others), _first_five(others)
        )
    return clips


def _wav_files(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        for name in names:
            # Names that begin with a dot are the traces of a Mac's archives.
            if name.lower().endswith(".wav") and not name.startswith("."):
                yield Path(folder, name)


def _first_five(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
