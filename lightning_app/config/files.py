"""Configuration files: search, includes, merging, and the location of a setting in them."""

import difflib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lightning_app.config.yaml_file import load_any, load_yaml, where
from lightning_app.errors import ConfigError

PACKAGE_ROOT = Path(__file__).resolve().parents[2]
# A mapping that is one value, as the parser takes it: a later one replaces it, and its keys are no sections.
WHOLE = "init_from"


def find_config(name: str | Path) -> Path:
    """Return the given path if it is a file, else the same path among the installed files (``stages/acpt.yaml``).

    Raises:
        ConfigError: If there is neither; names the nearest files that exist.
    """
    for path in (Path(name), PACKAGE_ROOT / name):
        if is_file(path):
            return path
    shipped = [
        str(file.relative_to(PACKAGE_ROOT))
        for folder in ("stages", "configs")
        for file in sorted((PACKAGE_ROOT / folder).rglob("*.yaml"))
    ]
    near = difflib.get_close_matches(str(name), shipped, n=3, cutoff=0.5)
    if os.path.isdir(name):  # unlike a Path, it says False to a name that is too long
        raise ConfigError(f"{name}: is a folder; expected a YAML file")
    raise ConfigError(f"{name}: no such file" + (f"; did you mean {' or '.join(near)}?" if near else ""))


def is_file(path: Path) -> bool:
    """Whether there is such a file; what cannot be the name of one, or may not be looked at, is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


class Component(dict[str, Any]):
    """A mapping that fills a file of its own, which another file includes or a flag names."""


def resolve(path: Path) -> dict[str, Any]:
    """Read a file with its includes replaced by what they hold.

    A value that ends in ``.yaml`` and names a file, relative to the file it stands in, becomes that file's content; so
    does a top-level ``config:``, over which the file's other keys are laid.

    Raises:
        ConfigError: As ``load_yaml``, and for a file that includes itself.
    """
    return _laid_over_its_base(_include(load_yaml(path), path, (path.resolve(),)), path)


def _laid_over_its_base(content: dict[str, Any], path: Path) -> dict[str, Any]:
    base = content.pop("config", {})
    if not isinstance(base, dict):
        raise ConfigError(f"{where(path, ['config'])}: `config` must name one YAML file, found {base!r}")
    return merge(dict(base), content)


def _include(value: Any, file: Path, trail: tuple[Path, ...]) -> Any:
    if isinstance(value, dict):
        return {key: _include(item, file, trail) for key, item in value.items()}
    if isinstance(value, list):
        return [_include(item, file, trail) for item in value]
    if not (isinstance(value, str) and value.endswith(".yaml") and is_file(file.parent / value)):
        return value
    inner = file.parent / value
    if inner.resolve() in trail:
        raise ConfigError(f"{file}: includes itself: {' -> '.join(map(str, [*trail, inner.resolve()]))}")
    content = _include(load_any(inner), inner, (*trail, inner.resolve()))
    return Component(_laid_over_its_base(content, inner)) if isinstance(content, dict) else content


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Lay one tree over another; what it does not mention stays.

    - Mappings are merged, key by key; ``key+`` appends to a list; any other value is replaced.
    - Another ``class_path`` in a class's place drops the arguments of the former.
    - A class that fills a file of its own (``audio: ../configs/audio/cnn14.yaml``) replaces what was there as a whole,
      also where the class is the same.
    """
    result = type(base)(base)
    for key, value in over.items():
        below = result.get(key)
        if key.endswith("+"):
            name = key if key in result else key[:-1]
            result[name] = [*_listed(result.get(name)), *_listed(value)]
        elif isinstance(value, dict) and isinstance(below, dict) and key != WHOLE and not _replaces(value, below):
            result[key] = merge(below, value)
        else:
            result[key] = value
    return result


def _listed(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def _replaces(value: dict[str, Any], below: dict[str, Any]) -> bool:
    if "class_path" not in value:
        return False
    return isinstance(value, Component) or value["class_path"] != below.get("class_path")


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of a tree under dotted keys.

    ``init_args`` is left out of the keys, as it may be on the command line: ``model.init_args.dim`` is ``model.dim``.
    """
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        name = prefix if key == "init_args" and prefix else f"{prefix}.{key}".lstrip(".")
        if isinstance(value, dict) and value and key != WHOLE:
            leaves.update(flatten(value, name))
        else:
            leaves[name] = value
    return leaves


def location(keys: Sequence[str], words: Sequence[str]) -> str:
    """``file:line:column: `` of a key in the last file that sets it; empty where an option on the command line does.

    Args:
        keys: The way to the setting, without ``init_args``.
        words: The command line.
    """
    dotted = ".".join(keys)
    flags_last = sorted(_options(words), key=lambda option: option[0] not in ("config", "c"))
    for name, value in reversed(flags_last):
        prefix = "" if name in ("config", "c") else f"{name}."
        if name == dotted:
            return ""
        if dotted.startswith(prefix) and value.endswith(".yaml") and is_file(Path(value)):
            found = _location_in(dotted.removeprefix(prefix).split("."), Path(value))
            if found:
                return f"{found}: "
    return ""


def _options(words: Sequence[str]) -> Iterable[tuple[str, str]]:
    """Every option with its value; ``init_args`` may be left out of keys, and is."""
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            yield name.replace(".init_args", ""), value if equals else following


def _location_in(keys: Sequence[str], file: Path) -> str:
    """The location of a setting in a file or in one that it includes; empty where neither sets it."""
    tree: object = load_yaml(file)
    path: list[str] = []
    for number, key in enumerate(keys):
        if isinstance(tree, dict) and key not in tree and isinstance(tree.get("init_args"), dict):
            path.append("init_args")
            tree = tree["init_args"]
        if isinstance(tree, str) and tree.endswith(".yaml") and is_file(file.parent / tree):
            return _location_in(keys[number:], file.parent / tree)
        if not isinstance(tree, dict) or key not in tree:
            return ""
        path.append(key)
        tree = tree[key]
    return where(file, path)
