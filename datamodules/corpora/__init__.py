"""Corpora, a module each, which describes itself: a file added here is all that ``prepare`` needs to know a corpus.

A module holds ``CORPUS``, and the reader that it names: a function that turns the folder, as published, into manifest
rows. A reader reads names and tables, never audio.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from datamodules.errors import DataError
from datamodules.labels import LabelSet, did_you_mean, nearest

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
    """Names of the modules beside this one, in alphabetical order; none of them is imported."""
    return sorted(module.name for module in iter_modules(__path__))


def find_corpus(name: str) -> Corpus:
    """The corpus of a module beside this one, or of a module from elsewhere, such as ``mylab.mycorpus``.

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
