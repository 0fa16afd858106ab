"""The words of a command: its files as one tree, its flags, and what both say before the parser has read them."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from lightning_app.config.files import Component, find_config, flatten, merge, resolve
from lightning_app.config.yaml_file import parse_value
from lightning_app.errors import ConfigError


def compose(words: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Read all configuration files of a command line as one tree, and return it with the flags, which win over it.

    Each ``--config`` is laid over those before it, and then each file that a flag puts in the place of one setting
    (``--model.clap.audio configs/audio/cnn14.yaml``); `merge` has the rules.

    Args:
        words: The words behind the verb.

    Raises:
        ConfigError: If a file is missing or wrong, or a word is no option.
    """
    tree: dict[str, Any] = {}
    flags: list[str] = []
    places: list[tuple[str, str]] = []
    for key, value, given in options(words):
        if key in ("config", "c"):
            tree = merge(tree, parse_value(value) if value.startswith("{") else resolve(find_config(value)))
        elif value.endswith(".yaml"):
            places.append((key, value))
        else:
            flags += given
    for key, file in places:
        content = Component(resolve(find_config(file)))
        section = key.partition(".")[0]
        if section in content:
            raise ConfigError(f"{key}: the file given here has a section {section!r} of its own; pass it with --config")
        tree = merge(tree, _below(tree, key.split("."), content))
    return tree, flags


def said(words: Sequence[str]) -> dict[str, Any]:
    """What files and flags say, under dotted keys without ``init_args``.

    It names the checkpoints and classes that the parser needs before it can read the command; defaults are not in it.

    Args:
        words: The words behind the verb.

    Raises:
        ConfigError: As `compose`.
    """
    tree, flags = compose(words)
    settings = flatten(tree)
    for key, text, given in options(flags):
        name = ".".join(part for part in key.split(".") if part != "init_args")
        section, _, last = name.rpartition(".")
        value = parse_value(text) if text or "=" in given[0] else True
        if isinstance(value, dict):
            settings |= flatten({last: value}, section)
        elif isinstance(value, str) and f"{name}.class_path" in settings:
            settings[f"{name}.class_path"] = value
        else:
            settings[name] = value
    return settings


def asks_only(words: Iterable[str]) -> bool:
    """Whether a command line asks for help or for its configuration, and runs nothing."""
    keys = {word.partition("=")[0] for word in words}
    return bool({"-h", "--help", "--print_config"} & keys) or any(key.endswith(".help") for key in keys)


def options(words: Sequence[str]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield the key, the value and the words of each option, ``--key=value`` and ``--key value`` alike.

    Raises:
        ConfigError: If a word belongs to no option.
    """
    rest = list(words)
    while rest:
        given = [rest.pop(0)]
        key, equals, value = given[0].partition("=")
        if not key.startswith("-"):
            listed = ", or the recordings to be heard as a table: --data.manifest mine.csv, with a column path"
            sound = Path(key).suffix.lower() in (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aiff")
            raise ConfigError(f"expected an option such as --config{listed if sound else ''}, found {key!r}")
        if not equals and rest and not rest[0].startswith("--"):
            value = rest.pop(0)
            given.append(value)
        yield key.lstrip("-"), value, given


def _below(tree: Any, keys: list[str], value: Any) -> Any:
    """The value under its keys, with ``init_args`` between them wherever the tree has a class."""
    if not keys:
        return value
    inside = tree if isinstance(tree, dict) else {}
    first, *rest = keys
    if "class_path" in inside and first not in ("class_path", "init_args"):
        first, rest = "init_args", keys
    return {first: _below(inside.get(first), rest, value)}


def as_text(tree: dict[str, Any]) -> str:
    """Write a tree as YAML for the parser, which reads it as any file (JSON has no word for infinity)."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(Component, yaml.SafeDumper.represent_dict)
# In quotes, for `1e-5` without them is a number to one reader and a text to another.
_Dumper.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))
