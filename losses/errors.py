"""Errors of losses, and checks of their settings."""

import math
from collections.abc import Sequence


class LossSettingError(ValueError):
    """A setting of a loss is outside its range.

    The message names the setting, what was found and what is allowed. Commands end with exit code 2.
    """

    exit_code = 2


class LossInputError(ValueError):
    """A batch lacks a field that the loss needs, such as ratings of valence and arousal.

    The message names what is missing and the setting that brings it. Commands end with exit code 3.
    """

    exit_code = 3


def one_of(setting: str, value: object, choices: Sequence[str]) -> None:
    """Raise ``LossSettingError`` unless the value is among the choices; ``setting`` is ``Loss: name``."""
    if value not in choices:
        *others, last = (repr(choice) for choice in choices)
        raise LossSettingError(f"{setting} is {value!r}; expected {', '.join(others)} or {last}")


def within(setting: str, value: float, low: float, high: float) -> None:
    """Raise ``LossSettingError`` unless ``low <= value <= high``."""
    if not low <= value <= high:
        raise LossSettingError(f"{setting} is {value}; expected a number from {low:g} to {high:g}")


def positive(setting: str, value: float) -> None:
    """Raise ``LossSettingError`` unless ``0 < value < inf``."""
    if not 0 < value < math.inf:
        raise LossSettingError(f"{setting} is {value}; expected a positive number")
