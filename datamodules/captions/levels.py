"""Ratings and acoustic measurements in three levels: low, middle, high."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from datamodules.acoustics.base import Acoustics
from datamodules.acoustics.parallel import kept_measurements, measure_clips
from datamodules.errors import DataError
from datamodules.kept_rows import KeptRows

LOW_QUANTILE = 0.3
HIGH_QUANTILE = 0.7
SPOKEN_RATINGS = ("arousal", "valence", "dominance")
"""The ratings in the order of captions and tags; clips and manifests have them in that of `checks.RATINGS`."""

Bounds = tuple[float, float]


class Thresholds:
    """Thresholds of each quantity: ``number <= low`` is low, ``number >= high`` is high, any other is middle.

    With many different numbers, the levels hold 30, 40 and 30 percent. Where both thresholds are the same number (few
    clips, or most of them alike), that number is middle. A quantity without thresholds has no level.

    Args:
        bounds: (low, high) by quantity.

    >>> thresholds = Thresholds({"arousal": (3.0, 5.0), "duration": (2.0, 2.0)})
    >>> [thresholds.level("arousal", number) for number in (3.0, 4.9, 5.0)]
    ['low', 'middle', 'high']
    >>> [thresholds.level("duration", number) for number in (1.9, 2.0, float("nan"))]
    ['low', 'middle', '']
    """

    def __init__(self, bounds: Mapping[str, Bounds]) -> None:
        self.bounds = dict(bounds)

    @classmethod
    def fit(cls, table: pd.DataFrame) -> "Thresholds":
        """Take the thresholds from a table of numbers, a column per quantity; NaN is left out."""
        quantiles = table.quantile([LOW_QUANTILE, HIGH_QUANTILE]).dropna(axis="columns")
        return cls({str(name): (float(column.iloc[0]), float(column.iloc[1])) for name, column in quantiles.items()})

    def level(self, quantity: str, number: float) -> str:
        """Return ``low``, ``middle`` or ``high``; "" where the number is NaN or the quantity has no thresholds."""
        if math.isnan(number) or quantity not in self.bounds:
            return ""
        low, high = self.bounds[quantity]
        if low == high == number:
            return "middle"
        if number <= low:
            return "low"
        return "high" if number >= high else "middle"

    def save(self, path: Path) -> None:
        """Write the thresholds as JSON: quantity -> [low, high]."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.bounds, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Thresholds":
        """Read thresholds as `save` writes them.

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


class ClipLevels:
    """Levels of clips in the corpus's ratings and in acoustic measurements.

    Thresholds of measurements bear the name of their implementation, as in ``own.pitch_mean``: they do not suit the
    numbers of another.

    Args:
        acoustics: Measures the clips; None uses the ratings only.
        ratings: Whether the ratings are used.
        bins: File of the thresholds; None takes them from the training clips.
        workers: Processes that measure; None takes one per core, 0 measures in this process.
    """

    def __init__(self, acoustics: Acoustics | None, ratings: bool, bins: Path | None, workers: int | None) -> None:
        self.acoustics = acoustics
        self.ratings = SPOKEN_RATINGS if ratings else ()
        self.path = bins
        self.workers = workers
        self._cache: KeptRows | None = None

    def levels(self, rows: pd.DataFrame, train: pd.DataFrame) -> list[dict[str, str]]:
        """Return the level of each row by quantity, named as in the rows or in the acoustics; "" for none.

        Raises:
            DataError: If there are neither training clips nor a file of thresholds, or that file is of another
                implementation.
        """
        thresholds = self.thresholds(train)
        found: list[dict[str, str]] = [{} for _ in range(len(rows))]
        for name, column in self._numbers(rows).items():
            quantity = str(name).rpartition(".")[2]
            for level, number in zip(found, column, strict=True):
                level[quantity] = thresholds.level(str(name), number)
        return found

    def thresholds(self, train: pd.DataFrame) -> Thresholds:
        """Return the thresholds: those of the file, or those of the training clips."""
        if self.path is None:
            if train.empty:
                raise DataError(
                    "captions: there are no training clips to tell low from high by; "
                    "set bins to the file of bounds that a training run wrote"
                )
            return Thresholds.fit(self._numbers(train))
        thresholds = Thresholds.load(self.path)
        if self.acoustics and not any(name.startswith(f"{self.acoustics.name}.") for name in thresholds.bounds):
            raise DataError(
                f"{self.path}: holds bounds of {', '.join(thresholds.bounds) or 'nothing'}, none of "
                f"{self.acoustics.name}; set acoustics to what these bounds were taken from"
            )
        return thresholds

    def _numbers(self, rows: pd.DataFrame) -> pd.DataFrame:
        # Without an index: that of joined manifests may hold a number twice.
        ratings = rows[[name for name in self.ratings if name in rows]].astype(float).reset_index(drop=True)
        if self.acoustics is None:
            return ratings
        if self._cache is None:
            self._cache = kept_measurements(self.acoustics)
        measured = measure_clips(self.acoustics, rows, self.workers, self._cache).reset_index(drop=True)
        return pd.concat([ratings, measured.add_prefix(f"{self.acoustics.name}.")], axis="columns")


def _are_bounds(found: object) -> bool:
    if not isinstance(found, list) or len(found) != 2:
        return False
    finite = all(isinstance(number, int | float) and math.isfinite(number) for number in found)
    return finite and found[0] <= found[1]
