"""What is known of a clip as numbers, and which of them are low or high: ratings and acoustic measurements."""

from pathlib import Path

import pandas as pd

from datamodules.acoustics.base import Acoustics
from datamodules.acoustics.parallel import kept_measurements, measure_clips
from datamodules.captions.bins import Bins
from datamodules.errors import DataError
from datamodules.kept_rows import KeptRows

SPOKEN_RATINGS = ("arousal", "valence", "dominance")
"""The ratings in the order in which texts name them; clips and manifests have them in that of `checks.RATINGS`."""


class Quantities:
    """Levels of clips: in the corpus's ratings, and in what is measured.

    Bounds of measurements bear the name of who measured, as in ``own.pitch_mean``: another's numbers mean something
    else.

    Args:
        acoustics: Who measures; None: only the ratings count.
        ratings: Whether the ratings count.
        bins: File of the bounds; None takes them from the training clips.
        workers: Processes that measure; None takes one per core, 0 measures in this process.
    """

    def __init__(self, acoustics: Acoustics | None, ratings: bool, bins: Path | None, workers: int | None) -> None:
        self.acoustics = acoustics
        self.ratings = SPOKEN_RATINGS if ratings else ()
        self.path = bins
        self.workers = workers
        self._cache: KeptRows | None = None

    def levels(self, rows: pd.DataFrame, train: pd.DataFrame) -> list[dict[str, str]]:
        """The level of each row by quantity, named as in the rows or in the acoustics; "" where there is none.

        Raises:
            DataError: If there are no training clips and no file of bounds, or that file is another's.
        """
        bins = self.bins(train)
        table = self._numbers(rows)
        names = [str(name) for name in table]
        return [
            {name.rpartition(".")[2]: bins.level(name, number) for name, number in zip(names, numbers, strict=True)}
            for numbers in table.itertuples(index=False)
        ]

    def bins(self, train: pd.DataFrame) -> Bins:
        """The bounds: those of the file, or those of the training clips."""
        if self.path is None:
            if train.empty:
                raise DataError(
                    "captions: there are no training clips to tell low from high by; "
                    "set bins to the file of bounds that a training run wrote"
                )
            return Bins.fit(self._numbers(train))
        bins = Bins.load(self.path)
        if self.acoustics and not any(name.startswith(f"{self.acoustics.name}.") for name in bins.bounds):
            raise DataError(
                f"{self.path}: holds bounds of {', '.join(bins.bounds) or 'nothing'}, none of {self.acoustics.name}; "
                "set acoustics to what these bounds were taken from"
            )
        return bins

    def _numbers(self, rows: pd.DataFrame) -> pd.DataFrame:
        # Without an index: that of joined manifests may hold a number twice.
        ratings = rows[[name for name in self.ratings if name in rows]].astype(float).reset_index(drop=True)
        if self.acoustics is None:
            return ratings
        if self._cache is None:
            self._cache = kept_measurements(self.acoustics)
        measured = measure_clips(self.acoustics, rows, self.workers, self._cache).reset_index(drop=True)
        return pd.concat([ratings, measured.add_prefix(f"{self.acoustics.name}.")], axis="columns")


def require_texts(texts: list[str], rows: pd.DataFrame, what: str) -> list[str]:
    """The texts.

    Raises:
        DataError: If one is empty; the message names the first five rows.
    """
    bare = [str(name) for name, text in zip(rows["id"], texts, strict=True) if not text]
    if bare:
        raise DataError(
            f"captions: {len(bare)} of {len(rows)} clips have {what}: {', '.join(bare[:5])}"
            f"{', ...' * (len(bare) > 5)}; fill in their emotion, ratings or gender, or remove their rows"
        )
    return texts
