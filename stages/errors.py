"""Errors of stages, and checks of their settings and of optional packages."""

from collections.abc import Sequence
from importlib import import_module
from string import Formatter
from typing import Any


class SettingError(ValueError):
    """Invalid setting of a stage or of a metric.

    The message names the setting, what was found and what is allowed. Commands end with exit code 2.
    """

    exit_code = 2


class CheckpointError(RuntimeError):
    """Checkpoint that is missing, damaged, of another stage, or does not fit. Commands end with exit code 4."""

    exit_code = 4


class MissingExtra(RuntimeError):
    """Optional package that is not installed. Commands end with exit code 4."""

    exit_code = 4


def check_template(template: str, key: str) -> None:
    """Refuse a template without ``{emotion}``, or with any other field.

    Args:
        template: Such as "this is a sound of {emotion}".
        key: Key of the setting, for the message.

    Raises:
        SettingError: With the key and the fields that were found.
    """
    try:
        fields = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise SettingError(f"{key}: {template!r} is no template ({error}); write a brace as {{{{ or }}}}") from None
    if fields != {"emotion"}:
        found = ", ".join(f"{{{name}}}" for name in sorted(fields)) or "no field"
        raise SettingError(f"{key}: {template!r} has {found}; expected {{emotion}} and nothing else in braces")


def check_templates(templates: Sequence[str], key: str) -> None:
    """Refuse an empty list of templates, or one that ``check_template`` refuses.

    Raises:
        SettingError: With the key and what was found.
    """
    if not templates:
        raise SettingError(f"{key}: is empty; expected at least one template, such as 'this is a sound of {{emotion}}'")
    for index, template in enumerate(templates):
        check_template(template, f"{key}[{index}]")


def optional_module(module: str, name: str, reason: str) -> Any:
    """Import a module of a package of the ``report`` extra.

    Args:
        module: The module, such as ``scipy.optimize``.
        name: The package and its licence, such as ``SciPy (BSD-3-Clause)``.
        reason: The setting that asks for it.

    Raises:
        MissingExtra: If it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtra(
            f'{reason} needs {name}, which is not installed; run: pip install "emoclap[report]"'
        ) from error
