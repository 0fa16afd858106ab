"""What code may run: this program's, torch's, and what the command itself names or trusts; nothing else is imported."""

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_app.config.own_packages import OWN
from lightning_app.config.plugins import plugin_modules, trusted_prefixes
from stages.errors import CheckpointError

PARTS = ("stages", "models", "losses", "datamodules", "lightning_app.callbacks")
_TRAINER_PARTS = ("accelerators", "callbacks", "loggers", "plugins", "profilers", "strategies")
LIBRARIES = (
    "torch.nn",
    "torch.optim",
    "torch.distributed.fsdp",
    "torch.distributed.algorithms",
    "lightning.pytorch.cli.ReduceLROnPlateau",
    *(f"lightning.pytorch.{part}" for part in _TRAINER_PARTS),
    # Lightning's classes are defined here, wherever they are named.
    *(f"lightning.fabric.{part}" for part in ("accelerators", "loggers", "plugins", "strategies")),
)
# Of these a part is trusted, and the rest holds loaders of code and starters of programs: naming it is not enough.
IN_PART = ("torch", "lightning")


# A class as it stands in any value, such as `mine.encoders.Ears`; `mine.csv` is a file.
CLASS = re.compile(r"([A-Za-z_]\w*\.)+[A-Z]\w*")
DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


@dataclass(frozen=True)
class Trust:
    """Packages and modules whose classes may be imported and built.

    Args:
        prefixes: Dotted names; each stands for itself and for all below it.
    """

    prefixes: tuple[str, ...]

    @classmethod
    def of(cls, settings: Mapping[str, Any] | None = None) -> "Trust":
        """What is trusted always and by the command's flags, and the packages whose classes its settings name.

        Args:
            settings: What the command line and the files that it names say, under dotted keys; None where a command
                only asks, by ``--help`` or ``--print_config``.
        """
        named = sorted({text.partition(".")[0] for text in named_classes(settings or {})})
        taken = [name for name in named if name not in IN_PART and not is_pythons(name)]
        return cls(tuple(dict.fromkeys([*PARTS, *LIBRARIES, *plugin_modules(), *trusted_prefixes(), *taken])))

    def covers(self, class_path: str) -> bool:
        """Whether a class may be imported."""
        return any(class_path == prefix or class_path.startswith(f"{prefix}.") for prefix in self.prefixes)

    @contextmanager
    def enforced(self) -> Iterator[None]:
        """Let the parsers of this process import nothing else, however it is named; afterwards they are as before."""
        from jsonargparse import set_parsing_settings
        from jsonargparse._common import parsing_settings  # what is set there can be read nowhere else

        # All of our program: chains have a parser of their own.
        allowed = [*OWN, *self.prefixes]
        before = {name: parsing_settings[name] for name in ("import_path_verdicts", "import_paths_enforced")}
        set_parsing_settings(import_path_denylist=["*"], import_path_allowlist=allowed)
        try:
            yield
        finally:
            parsing_settings.update(before)


def named_classes(value: Any, is_class: bool = False) -> Iterator[str]:
    """Yield the classes that settings name: values of ``class_path``, and texts that look like ``a.b.ClassName``.

    Args:
        value: Settings, nested or under dotted keys.
        is_class: Whether the value is that of a ``class_path``.

    >>> list(named_classes({"model.class_path": "mine.stage", "data.manifest": "pip.csv", "callbacks": ["other.Call"]}))
    ['mine.stage', 'other.Call']
    """
    if isinstance(value, str):
        if (DOTTED if is_class else CLASS).fullmatch(value):
            yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from named_classes(item, key.rpartition(".")[2] == "class_path")
    elif isinstance(value, list):
        for item in value:
            yield from named_classes(item)


def is_pythons(class_path: str) -> bool:
    """Whether a name is one of Python's own modules, or of the parser's, in which no part of a run is found."""
    return class_path.partition(".")[0] in {*sys.stdlib_module_names, "jsonargparse"}


def refusal(class_path: str, asks: bool) -> str:
    """Say why a class is not imported, and what mends it.

    Args:
        class_path: As it was named, or where it is defined.
        asks: Whether the command only asks, by ``--help`` or ``--print_config``.
    """
    package = class_path.partition(".")[0]
    if is_pythons(class_path):
        return f"{class_path} is a part of Python, and no part of a run; it is not imported"
    if package in IN_PART:
        return f"{class_path} is not imported unless you trust it: --trust {class_path.rpartition('.')[0]}"
    if asks:
        return (
            f"{class_path} is not imported, for --help and --print_config run no code of others; add --trust {package}"
        )
    return f"{class_path} is not imported, for nothing in this command names its package; add --trust {package}"


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
        path = f"{key}.{name}"
        said = settings.get(f"{path}.class_path", settings.get(path))
        if isinstance(value, dict) and "class_path" in value:
            if said is None or said == {} or f".{value['class_path']}".endswith(f".{said}"):
                args = value.get("init_args")
                left[name] = {**value, "init_args": still_taken(args, settings, path)} if args else value
        elif path not in settings:
            left[name] = still_taken(value, settings, path) if isinstance(value, dict) else value
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
