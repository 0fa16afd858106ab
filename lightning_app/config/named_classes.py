"""The classes that a command's settings name: the values of ``class_path``, and bare names where a class is taken."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lightning_app.config.class_source import arguments

CLASS_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
# These sections name no class in a file, for it is always the same.
_ALWAYS = {
    "trainer": "lightning.pytorch.Trainer",
    "checkpoint": "lightning_app.callbacks.checkpoint.StageCheckpoint",
}


def named_classes(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of classes; a file's name, such as ``mine.ckpt``, is none, whatever it looks like.

    Which arguments take a class is read from the source of the class that they belong to; below a class whose source is
    not found, ``class_path`` alone names one. Nothing is imported.

    Args:
        settings: Under dotted keys, without ``init_args``.

    >>> list(named_classes({"model": "mine.Stage", "data.manifest": "pip.csv", "trainer.callbacks": ["other.Call"]}))
    ['mine.Stage', 'other.Call']
    """
    for key, value in settings.items():
        section, _, name = key.rpartition(".")
        yield from _in_value(value, name == "class_path" or _takes_class(section, name, settings))


def _in_value(value: Any, takes_class: bool) -> Iterator[str]:
    if isinstance(value, str) and takes_class and CLASS_PATH.fullmatch(value):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _in_value(item, takes_class)
    elif isinstance(value, Mapping) and isinstance(value.get("class_path"), str):
        yield from _in_value(value["class_path"], True)
        found, given = arguments(value["class_path"]), value.get("init_args")
        for name, item in given.items() if isinstance(given, Mapping) else ():
            yield from _in_value(item, found is not None and name in found.classes)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _in_value(item, False)


def _takes_class(section: str, name: str, settings: Mapping[str, Any]) -> bool:
    if not section:
        return name in ("model", "data")
    owner = _class_of(section, settings)
    found = arguments(owner) if owner else None
    return found is not None and name in found.classes


def _class_of(section: str, settings: Mapping[str, Any]) -> str | None:
    """The class of a section: the one that is named, else that of the argument's annotation."""
    said = settings.get(f"{section}.class_path", settings.get(section))
    if isinstance(said, str):
        return said
    if section in _ALWAYS:
        return _ALWAYS[section]
    above, _, name = section.rpartition(".")
    owner = _class_of(above, settings) if above else None
    found = arguments(owner) if owner else None
    return found.classes.get(name) if found else None
