"""Numbers in words: which are low, which are high."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from datamodules.errors import DataError

LOW_QUANTILE, HIGH_QUANTILE = 0.3, 0.7
LEVELS = ("low", "middle", "high")

Bounds = tuple[float, float]


class Bins:
    """Three bins by quantity: ``number <= low`` is low, ``number >= high`` is high, what lies between is middle.

    With many different numbers, the bins hold 30, 40 and 30 percent. Where both bounds are the same number (few
    clips, or most of them alike), that number is middle. A quantity without bounds has no level.

    Args:
        bounds: (low, high) by quantity.

    >>> bins = Bins({"arousal": (3.0, 5.0), "duration": (2.0, 2.0)})
    >>> [bins.level("arousal", number) for number in (3.0, 4.9, 5.0)]
    ['low', 'middle', 'high']
    >>> [bins.level("duration", number) for number in (1.9, 2.0, float("nan"))]
    ['low', 'middle', '']
    """

    def __init__(self, bounds: Mapping[str, Bounds]) -> None:
        self.bounds = dict(bounds)

    @classmethod
    def fit(cls, table: pd.DataFrame) -> "Bins":
        """Take the bounds from a table of numbers, a column per quantity.

        NaN does not count; a column of nothing else gets no bounds.
        """
        quantiles = table.quantile([LOW_QUANTILE, HIGH_QUANTILE]).dropna(axis="columns")
        return cls({str(name): (float(column.iloc[0]), float(column.iloc[1])) for name, column in quantiles.items()})

    def level(self, quantity: str, number: float) -> str:
        """One of `LEVELS`, or "" where the number is NaN or the quantity has no bounds."""
        if math.isnan(number) or quantity not in self.bounds:
            return ""
        low, high = self.bounds[quantity]
        if low == high == number:
            return "middle"
        return "low" if number <= low else "high" if number >= high else "middle"

    def save(self, path: Path) -> None:
        """Write the bounds as JSON: quantity -> [low, high]."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.bounds, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Bins":
        """Read bounds as `save` writes them.

        Raises:
            DataError: If there is no such file, or anything else in it.
        """
        try:
            found = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: no file of bounds ({error}); give the bins that a training run wrote") from None
        if not isinstance(found, dict):
            raise DataError(f'{path}: found {type(found).__name__}, expected {{"quantity": [low, high], ...}}')
        for quantity, bounds in found.items():
            if not _are_bounds(bounds):
                raise DataError(f"{path}: {quantity}: found {bounds!r}, expected two finite numbers [low, high]")
        return cls({quantity: (float(low), float(high)) for quantity, (low, high) in found.items()})


def _are_bounds(found: object) -> bool:
    return (
        isinstance(found, list)
        and len(found) == 2
        and all(isinstance(number, int | float) and math.isfinite(number) for number in found)
        and found[0] <= found[1]
    )
