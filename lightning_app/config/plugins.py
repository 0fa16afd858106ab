"""A user's own modules: the folders in which they are looked for, and the names that a command trusts."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from lightning_app.errors import ConfigError

# Environment variables, so that the processes that a command starts know what it was told.
PLUGINS, TRUST = "EMOCLAP_PLUGINS", "EMOCLAP_TRUST"


@contextmanager
def plugin_options(words: Sequence[str]) -> Iterator[list[str]]:
    """Take ``--plugins DIR`` and ``--trust PREFIX``, each repeatable, out of a command line, and heed them inside.

    They say where code comes from, and are no settings of a run.

    Raises:
        ConfigError: If a folder is not there, or a prefix is none.
    """
    rest: list[str] = []
    given: dict[str, list[str]] = {"--plugins": [], "--trust": []}
    left = iter(words)
    for word in left:
        name, equals, value = word.partition("=")
        if name in given:
            value = value if equals else next(left, "")
            if not value or value.startswith("--"):
                raise ConfigError(f"{name}: expected {'a folder' if name == '--plugins' else 'a package'} after it")
            given[name].append(value)
        else:
            rest.append(word)
    with plugins(given["--plugins"], given["--trust"]):
        yield rest


@contextmanager
def plugins(folders: Sequence[str | Path], prefixes: Sequence[str]) -> Iterator[None]:
    """Look for modules in these folders, too, after all others, and trust these packages and modules.

    Args:
        folders: They are appended to ``sys.path``, so that nothing in them stands for a module from elsewhere.
        prefixes: Dotted names, such as ``mine`` or ``mine.encoders``.

    Raises:
        ConfigError: If a folder is not there, or a prefix, also of EMOCLAP_TRUST, is no dotted name or one of Python's
            own.
    """
    for folder in folders:
        if not Path(folder).is_dir():
            raise ConfigError(f"--plugins {folder}: there is no such folder")
    for prefix in prefixes:
        _require_package(prefix, "--trust ")
    for prefix in trusted_prefixes():
        _require_package(prefix, f"{TRUST}=")
    path, environment = list(sys.path), {name: os.environ.get(name) for name in (PLUGINS, TRUST)}
    all_folders = list(dict.fromkeys([*plugin_folders(), *(Path(folder).resolve() for folder in folders)]))
    os.environ[PLUGINS] = os.pathsep.join(map(str, all_folders))
    os.environ[TRUST] = ",".join(
        dict.fromkeys([*trusted_prefixes(), *(prefix.removesuffix(".") for prefix in prefixes)])
    )
    sys.path.extend(str(folder) for folder in all_folders if str(folder) not in sys.path)
    try:
        yield
    finally:
        sys.path[:] = path
        for name, value in environment.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def plugin_folders() -> list[Path]:
    """The folders of ``--plugins`` of this command and of the one that started it."""
    return [Path(folder) for folder in os.environ.get(PLUGINS, "").split(os.pathsep) if folder]


def trusted_prefixes() -> list[str]:
    """The names of ``--trust`` of this command and of the one that started it."""
    return [prefix.strip() for prefix in os.environ.get(TRUST, "").split(",") if prefix.strip()]


def plugin_words() -> list[str]:
    """The options that hand all of this on to another command of ours."""
    return [
        *(f"--plugins={folder}" for folder in plugin_folders()),
        *(f"--trust={name}" for name in trusted_prefixes()),
    ]


def plugin_modules() -> list[str]:
    """The top-level modules that are found in the folders of ``--plugins``, and nowhere before them."""
    return sorted(
        {
            entry.stem
            for folder in plugin_folders()
            if folder.is_dir()
            for entry in folder.iterdir()
            if entry.stem.isidentifier()
            and (entry.is_dir() or entry.suffix in (".py", ".so"))
            and _lies_in(entry.stem, folder)
        }
    )


def _lies_in(module: str, folder: Path) -> bool:
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        return False
    places = [] if spec is None else [spec.origin, *(spec.submodule_search_locations or [])]
    return any(place is not None and Path(place).resolve().is_relative_to(folder) for place in places)


def _require_package(prefix: str, said: str) -> None:
    parts = prefix.removesuffix(".").split(".")
    if not all(part.isidentifier() for part in parts):
        raise ConfigError(f"{said}{prefix}: expected a package or a module, such as mine or mine.encoders")
    if parts[0] in sys.stdlib_module_names:
        raise ConfigError(f"{said}{prefix}: is a part of Python, which holds nothing that a run is made of")
