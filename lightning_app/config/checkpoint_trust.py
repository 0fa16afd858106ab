"""What a command takes from a checkpoint's metadata, which may come from anywhere: building a class runs its code."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning_app.config.trust import DOTTED, Trust, is_pythons
from stages.errors import CheckpointError


def still_taken(parts: Mapping[str, Any], settings: Mapping[str, Any], key: str = "model") -> dict[str, Any]:
    """What a command leaves of a checkpoint's configuration: all that its own settings do not say again.

    Args:
        parts: Configurations by name, as the checkpoint holds them.
        settings: The command's own, under dotted keys.
        key: Where the parts stand among them.

    >>> tower = {"audio": {"class_path": "mine.Ears", "init_args": {"bands": 64, "hop": 160}}}
    >>> still_taken(tower, {"model.audio.hop": 320})
    {'audio': {'class_path': 'mine.Ears', 'init_args': {'bands': 64}}}
    >>> still_taken(tower, {"model.audio.class_path": "models.audio.Cnn14"})
    {}
    """
    left: dict[str, Any] = {}
    for name, value in parts.items():
        place = f"{key}.{name}"
        said = settings.get(f"{place}.class_path", settings.get(place))
        if isinstance(value, dict) and "class_path" in value:
            if said is None or said == {} or f".{value['class_path']}".endswith(f".{said}"):
                args = value.get("init_args")
                left[name] = {**value, "init_args": still_taken(args, settings, place)} if args else value
        elif place not in settings:
            left[name] = still_taken(value, settings, place) if isinstance(value, dict) else value
    return left


def require_trusted(tree: Any, path: Path, trust: Trust, key: str = "model") -> None:
    """Refuse a configuration that names classes which the command has no reason to trust; imports none of them.

    Args:
        tree: What is taken from the checkpoint.
        path: The checkpoint, for the message.
        trust: Whose classes may be imported.
        key: Where the configuration stands in the command's.

    Raises:
        CheckpointError: Names the class, and the two ways to mend it.
    """
    if isinstance(tree, Mapping):
        if "class_path" in tree and not trust.covers(str(tree["class_path"])):
            raise _stranger(str(tree["class_path"]), path, key)
        for name, value in tree.items():
            if name != "class_path":
                require_trusted(value, path, trust, key if name == "init_args" else f"{key}.{name}")
    elif isinstance(tree, list | tuple):
        for value in tree:
            require_trusted(value, path, trust, key)
    elif isinstance(tree, str) and DOTTED.fullmatch(tree) and not trust.covers(tree):
        # The parser takes a bare name for a class, too.
        raise _stranger(tree, path, key)


def _stranger(name: str, path: Path, key: str) -> CheckpointError:
    package = name.partition(".")[0]
    trusting = "" if is_pythons(name) else f"add --trust {package}, --plugins and the folder of its module, or "
    return CheckpointError(
        f"{path}: asks for the class {name[:200]} in {key}; a checkpoint may name classes of this program, of "
        f"torch, and of what the command itself names. If you trust it, {trusting}say {key} in a --config of your own"
    )
