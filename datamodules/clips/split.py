"""Which clips of a manifest are trained, validated and tested on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Split:
    """The part of a manifest that each use of it reads.

    Args:
        protocol: Split by the column ``fold_<protocol>`` in place of ``split``.
        fold: The fold to test on.
        dev: With folds: ``next`` keeps the following fold for validation, null trains on every other fold.
        train_on: ``all`` trains on every row, for testing on another corpus.
        test_on: The split that ``test`` and ``predict`` read; ``all`` reads every row.
        disjoint: Columns whose values no two of training, validation and testing may share.
        require: Columns that must be filled in, such as those that a loss learns from.
    """

    protocol: str | None = None
    fold: int = 0
    dev: Literal["next"] | None = None
    train_on: Literal["train", "all"] = "train"
    test_on: Literal["train", "dev", "test", "all"] = "test"
    disjoint: Sequence[str] = ("speaker",)
    require: Sequence[str] = ()
