"""What every source of captions and tags is."""

from abc import ABC, abstractmethod

import pandas as pd


class CaptionSource(ABC):
    """Turns rows of a manifest into texts: pure, so that the same rows give the same texts everywhere.

    A row has the columns of the manifest (`datamodules.manifest.columns.COLUMNS`; text is "" and a number NaN where the
    cell is empty), ``file`` (absolute path), and ``label``, the class in the label set of the data: a canonical noun,
    such as ``anger``, or "" where the clip has none.
    """

    @property
    def slow(self) -> bool:
        """Whether writing reads recordings or runs a model: then it waits until the data are prepared."""
        return False

    @abstractmethod
    def write(self, rows: pd.DataFrame, train: pd.DataFrame) -> list[str]:
        """One text for each row, in order.

        Args:
            rows: The clips to describe.
            train: The clips that are trained on: whatever depends on a corpus, such as the bounds of "high", is taken
                from them alone.

        Raises:
            DataError: If a row lacks what its text is made of; the message names rows, columns and the remedy.
        """

    def bins(self, train: pd.DataFrame) -> dict[str, tuple[float, float]]:
        """The bounds of low, middle and high by quantity, for a source that has any; kept beside what it wrote."""
        return {}
