"""Settings of losses, checked where they are given."""

import math
from collections.abc import Sequence

from losses.errors import LossSettingError


def one_of(setting: str, value: object, choices: Sequence[str]) -> None:
    """Raise `LossSettingError` unless the value is among the choices; ``setting`` is ``Loss: name``."""
    if value not in choices:
        *others, last = (repr(choice) for choice in choices)
        raise LossSettingError(f"{setting} is {value!r}; expected {', '.join(others)} or {last}")


def within(setting: str, value: float, low: float, high: float) -> None:
    """Raise `LossSettingError` unless ``low <= value <= high``."""
    if not low <= value <= high:
        raise LossSettingError(f"{setting} is {value}; expected a number from {low:g} to {high:g}")


def positive(setting: str, value: float) -> None:
    """Raise `LossSettingError` unless ``0 < value < inf``."""
    if not 0 < value < math.inf:
        raise LossSettingError(f"{setting} is {value}; expected a positive number")
