"""The interface of captions and tags."""

from abc import ABC, abstractmethod

import pandas as pd

from datamodules.errors import DataError


class CaptionSource(ABC):
    """Texts for rows of a manifest: a pure function, so that the same rows give the same texts everywhere.

    A row has the columns of the manifest (`datamodules.manifest.reading.COLUMNS`; an empty cell is "" in a column of
    text and NaN in one of numbers), ``file`` (absolute path), and ``label``, its class in the label set of the data: a
    canonical noun, such as ``anger``, or "" for none.
    """

    @property
    def slow(self) -> bool:
        """Whether writing reads recordings or runs a model, and so waits until the data are prepared."""
        return False

    @abstractmethod
    def write(self, rows: pd.DataFrame, train: pd.DataFrame) -> list[str]:
        """Write one text for each row, in order.

        Args:
            rows: The clips to describe.
            train: The clips that are trained on: whatever depends on a corpus, such as the threshold of "high", is
                taken from them alone.

        Raises:
            DataError: If a row lacks what its text is made of; the message names rows, columns and the remedy.
        """

    def bins(self, train: pd.DataFrame) -> dict[str, tuple[float, float]]:
        """Return the thresholds of low and high by quantity, for a source that has any; saved beside its texts."""
        return {}


def require_texts(texts: list[str], rows: pd.DataFrame, problem: str) -> list[str]:
    """Return the texts, one for each row.

    Args:
        texts: The texts.
        rows: Their clips.
        problem: What the clips of empty texts have, for the message.

    Raises:
        DataError: If one is empty; the message names the first five rows.
    """
    empty = [str(name) for name, text in zip(rows["id"], texts, strict=True) if not text]
    if empty:
        more = ", ..." if len(empty) > 5 else ""
        raise DataError(
            f"captions: {len(empty)} of {len(rows)} clips have {problem}: {', '.join(empty[:5])}{more}; fill in their "
            "emotion, ratings or gender, or remove their rows"
        )
    return texts
