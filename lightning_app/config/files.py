"""Configuration files: where they are found, what they include, and how several become one."""

import difflib
import os
from pathlib import Path
from typing import Any

from lightning_app.config.yaml_file import ConfigError, load_any, load_yaml, parse_value, where

__all__ = ["ConfigError", "find_config", "flatten", "is_file", "load_yaml", "merge", "parse_value", "resolve", "where"]

PACKAGE_ROOT = Path(__file__).resolve().parents[2]


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


def resolve(path: Path) -> dict[str, Any]:
    """Read a file with its includes replaced by what they hold.

    A value that ends in ``.yaml`` and names a file, relative to the file it stands in, becomes that file's content; so
    does a top-level ``config:``, over which the file's other keys are laid.

    Raises:
        ConfigError: As ``load_yaml``, and for a file that includes itself.
    """
    content = _include(load_yaml(path), path, (path.resolve(),))
    base = content.pop("config", {})
    if not isinstance(base, dict):
        raise ConfigError(f"{where(path, ['config'])}: `config` must name one YAML file, found {base!r}")
    return merge(_without_replaced(base, content), content)


def _without_replaced(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """The base without the arguments of classes in whose place others are put: those have arguments of their own."""
    kept = dict(base)
    for key, value in over.items():
        below = kept.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            other = "class_path" in value and value["class_path"] != below.get("class_path")
            kept[key] = {} if other else _without_replaced(below, value)
    return kept


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
    return _include(load_any(inner), inner, (*trail, inner.resolve()))


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Lay one tree over another: mappings are merged, ``key+`` appends to a list, anything else is replaced."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        if key.endswith("+"):
            name, more = key[:-1], value if isinstance(value, list) else [value]
            old = result.get(name)
            result[name] = [*(old if isinstance(old, list) else []), *more]
        elif isinstance(value, dict) and isinstance(below, dict):
            result[key] = merge(below, value)
        else:
            result[key] = value
    return result


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of a tree under dotted keys.

    ``init_args`` is left out of the keys, as it may be on the command line: ``model.init_args.dim`` is ``model.dim``.
    """
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        name = prefix if key == "init_args" and prefix else f"{prefix}.{key}".lstrip(".")
        if isinstance(value, dict) and value:
            leaves.update(flatten(value, name))
        else:
            leaves[name] = value
    return leaves
