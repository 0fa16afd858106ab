"""The end of a message: what was probably meant, and where to look for what was not found."""

import inspect
import pkgutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Any, get_type_hints

from lightning_app.config.own_packages import OWN
from lightning_app.config.trust import IN_PART, Trust

SECTIONS = {
    "trainer": "lightning.pytorch.Trainer",
    "checkpoint": "lightning_app.callbacks.checkpoint.StageCheckpoint",
}
TOP = ("config", "data", "model", "trainer", "checkpoint", "seed_everything", "ckpt_path", "weights_only", "verbose")
# As other programs call it.
SYNONYMS = {"learning_rate": "lr", "epochs": "max_epochs", "gpus": "devices"}


def near_option(name: str, section: Sequence[str], classes: Sequence[str], settings: Mapping[str, Any]) -> str:
    """Offer the option that was probably meant, else all that there are; empty where nothing is known of them.

    Args:
        name: The option that there is not.
        section: Where it was given.
        classes: The classes on the way there, as the parser met them.
        settings: What the command says, under dotted keys.
    """
    owner, here = _class_of(section, classes, settings), ".".join(section)
    known = _options(owner) if section else TOP
    meant = SYNONYMS.get(name, name)
    inside = _grouped(owner)
    if meant in known:
        return f"; did you mean {meant!r}?"
    if near := get_close_matches(name, inside, n=1, cutoff=0.9):
        return f"; did you mean '{here}.{inside[near[0]]}.{near[0]}'?"
    if near := get_close_matches(name, known, n=1):
        return f"; did you mean {near[0]!r}?"
    for key in settings:
        before, found, _ = f"{key}.".rpartition(f".{meant}.")
        if found and before != here and before.startswith(f"{here}."):
            return f"; did you mean '{before}.{meant}'?"
    return f"; expected one of {', '.join(known)}" if known else ""


def _class_of(section: Sequence[str], classes: Sequence[str], settings: Mapping[str, Any]) -> Any:
    """The class of a section, or of the group of options that it is; None where that is not known."""
    if not section:
        return None
    key = ".".join(section)
    said = settings.get(f"{key}.class_path", settings.get(key))
    owner = SECTIONS.get(key) or (classes[-1] if len(classes) == len(section) else said)
    if not isinstance(owner, str):
        return _groups(_class_of(section[:-1], classes, settings)).get(section[-1])
    if not (owner in SECTIONS.values() or Trust.of(settings).covers(owner)):
        return None
    module, _, name = owner.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError, TypeError):
        return None


def _options(owner: Any) -> tuple[str, ...]:
    try:
        accepted = inspect.signature(owner).parameters
    except (ValueError, TypeError):
        return ()
    # An optimizer gets its parameters from the stage.
    return tuple(option for option in accepted if option not in ("params", "args", "kwargs"))


def _groups(owner: Any) -> dict[str, type]:
    """The options of a class that are groups of options: its arguments that are dataclasses."""
    try:
        hints = get_type_hints(owner.__init__)
    except (AttributeError, NameError, TypeError):
        return {}
    return {option: hint for option, hint in hints.items() if is_dataclass(hint) and isinstance(hint, type)}


def _grouped(owner: Any) -> dict[str, str]:
    """The options inside the groups of a class, and the group of each."""
    return {option: group for group, kind in _groups(owner).items() for option in _options(kind)}


def near_class(module: str | None, name: str | None, absent_module: str | None) -> str:
    """Offer the nearest class or module, or say where modules are looked for; imports nothing.

    Args:
        module: The module that has no such class.
        name: The class.
        absent_module: Else the module that was not found.
    """
    mine = absent_module is not None and absent_module.partition(".")[0] not in (*OWN, *IN_PART)
    if mine:
        return (
            f"; the module {absent_module} was not found: install it, name the folder that holds it with --plugins DIR "
            "(a chain's `plugins:`), or put that folder on PYTHONPATH"
        )
    if absent_module is not None:
        module, _, name = absent_module.rpartition(".")
    parent = sys.modules.get(module or "")
    if parent is None or name is None:
        return ""
    inside = [found.name for found in pkgutil.iter_modules(getattr(parent, "__path__", []))]
    near = get_close_matches(name, [*vars(parent), *inside], n=1)
    return f"; did you mean {module}.{near[0]}?" if near else ""


def full_name(class_name: str) -> str:
    """The module and name of a class of which a message gives the name alone; looks where classes are known already."""
    for name, module in sorted(sys.modules.items()):
        found = vars(module).get(class_name) if name.startswith((*OWN, "lightning.pytorch", "torch.optim")) else None
        if inspect.isclass(found) and found.__module__ == name:
            return f"{name}.{class_name}"
    return class_name
