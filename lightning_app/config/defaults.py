"""Settings that nobody has said: a changed default is a change of the run, as a changed setting is."""

from collections.abc import Mapping
from typing import Any

from lightning_app.config.class_source import arguments
from lightning_app.config.own_packages import OWN

# These sections name no class in a file, for it is always the same.
SECTIONS = {"checkpoint": "lightning_app.callbacks.checkpoint.StageCheckpoint"}


def with_defaults(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings and, below each class of ours that they name, the defaults of what they leave out.

    Args:
        settings: Under dotted keys, without ``init_args``.

    >>> with_defaults({"model.loss.class_path": "losses.InfoNCE"})["model.loss.targets"]
    'identity'
    """
    filled = {key: _filled(value) for key, value in settings.items()}
    for key, value in {**settings, **{f"{name}.class_path": path for name, path in SECTIONS.items()}}.items():
        owner = key.removesuffix(".class_path")
        for name, default in _defaults(value).items():
            whole = f"{owner}.{name}"
            if whole not in filled and not any(other.startswith(f"{whole}.") for other in settings):
                filled[whole] = default
    return filled


def _filled(value: Any) -> Any:
    """The same for classes inside lists, which have no dotted keys."""
    if isinstance(value, list):
        return [_filled(item) for item in value]
    if not isinstance(value, dict):
        return value
    tree = {key: _filled(item) for key, item in value.items()}
    if defaults := _defaults(value.get("class_path")):
        given = tree.get("init_args")
        tree["init_args"] = {**defaults, **(given if isinstance(given, dict) else {})}
    return tree


def _defaults(value: Any) -> dict[str, Any]:
    if not isinstance(value, str) or value.partition(".")[0] not in OWN:
        return {}
    found = arguments(value)
    if found is None:
        return {}
    defaults: dict[str, Any] = {}
    for name, default in found.defaults.items():
        group = found.classes.get(name, "")
        # A dataclass of settings: `split: Split = Split()`.
        if default == f"{group.rpartition('.')[2]}()" and (inside := arguments(group)):
            defaults |= {f"{name}.{option}": each for option, each in inside.defaults.items()}
        else:
            defaults[name] = default
    return defaults
