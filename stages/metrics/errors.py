"""What can be wrong with a measure's settings, and with what is installed."""

from importlib import import_module
from typing import Any


class MeasureSettingError(ValueError):
    """A setting of a measure is outside its range.

    The message names the setting, what was found and what is allowed. Commands end with exit code 2.
    """

    exit_code = 2


class MeasurePackageError(ImportError):
    """A measure needs a package that is not installed. Commands end with exit code 4."""

    exit_code = 4


def package(module: str, name: str, reason: str) -> Any:
    """Import a module of a package of the `report` extra.

    Args:
        module: The module, such as ``scipy.optimize``.
        name: The package and its licence, such as ``SciPy (BSD-3-Clause)``.
        reason: The setting that asks for it.

    Raises:
        MeasurePackageError: If it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MeasurePackageError(
            f'{reason} needs {name}, which is not installed; run: pip install "emoclap[report]"'
        ) from error
