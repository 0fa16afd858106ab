"""The rows of a manifest that training, validation, testing and prediction read: tables only, no sound, no trainer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from datamodules.clips.rows import odd_sounds, require_filled
from datamodules.errors import DataError, naming
from datamodules.labels import LabelSet
from datamodules.manifest.checks import find_files
from datamodules.manifest.leakage import check_disjoint
from datamodules.manifest.reading import read_manifest, require_manifest
from datamodules.manifest.split import assign_fold, require_classes, select_labeled, select_split


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


class ManifestSplit:
    """A manifest, read, checked and split.

    Args:
        manifest: CSV or Parquet, a row per clip.
        labels: The classes.
        how: Which rows are for what.
        check_files: Refuse a row whose file is not there; otherwise such rows are counted.

    Attributes:
        all: Every row of the manifest, with its ``file``.
        labelled: The rows whose emotion is one of the classes, with ``label``, its canonical noun, and ``target``, its
            number in logit order. Without any emotion in the manifest there are none, and `predict` alone works.
        missing: How many rows have no file.
        unchecked: How many rows could not be compared between splits, by column.

    Raises:
        DataError: If the manifest, its labels or its splits are not sound.
    """

    def __init__(
        self,
        manifest: Path,
        labels: LabelSet,
        how: Split = Split(),  # never changed
        check_files: bool = True,
    ) -> None:
        self.manifest, self.labels, self.how = manifest, labels, how
        require_manifest(manifest)
        rows = read_manifest(manifest, check_files=check_files)
        self.missing = 0 if check_files else sum(1 for _ in find_files(rows))
        with naming(manifest):
            if how.protocol is not None:
                rows = assign_fold(rows, how.protocol, how.fold, how.dev)
        compared = "split" in rows and "all" not in (how.train_on, how.test_on)
        self.unchecked = check_disjoint(rows, manifest, how.disjoint) if compared else {}
        self.all = rows
        has_emotions = "emotion" in rows and (rows["emotion"] != "").any()
        with naming(manifest):
            self.labelled = select_labeled(rows, labels) if has_emotions else rows[:0]
        require_filled(self.labelled, how.require, manifest)

    @property
    def train(self) -> pd.DataFrame:
        """The rows that ``fit`` learns from."""
        return self._labelled_or_refuse() if self.how.train_on == "all" else self._part("train")

    @property
    def has_dev(self) -> bool:
        """Whether there is a dev split; a fit on all rows has none."""
        rows = self.labelled
        return self.how.train_on == "train" and "split" in rows and bool((rows["split"] == "dev").any())

    @property
    def dev(self) -> pd.DataFrame:
        """The rows that a fit is validated on; none where there is no dev split."""
        return self._part("dev") if self.has_dev else self.labelled[:0]

    @property
    def test(self) -> pd.DataFrame:
        """The rows that ``test`` reads."""
        return self._labelled_or_refuse() if self.how.test_on == "all" else self._part(self.how.test_on)

    @property
    def predict(self) -> pd.DataFrame:
        """The rows that ``predict`` reads: those of ``test_on``, or all of a manifest without splits.

        Also those of other emotions or none, whose ``target`` is -1.
        """
        rows = self.all
        if self.how.test_on != "all" and "split" in rows:
            with naming(self.manifest):
                rows = select_split(rows, self.how.test_on)
        emotions = rows["emotion"] if "emotion" in rows else pd.Series("", rows.index)
        number = {label: place for place, label in enumerate(self.labels.labels)}
        targets = [number.get(self.labels.label_of(emotion) or "", -1) for emotion in emotions]
        return rows.assign(target=targets)

    @property
    def reference(self) -> pd.DataFrame:
        """The rows that what depends on a corpus is taken from, such as where "high" begins: those of training."""
        whole = self.how.train_on == "all" or "split" not in self.labelled
        return self.labelled if whole else self.labelled[self.labelled["split"] == "train"]

    def require_trainable(self, batch_size: int, world: int) -> None:
        """Refuse training rows that lack a class, or do not fill one batch on each device.

        Raises:
            DataError: With the class, or the batch size that fits.
        """
        train = self.train
        with naming(self.manifest):
            require_classes(train, self.labels, "training")
        if len(train) < batch_size * world:
            raise DataError(
                f"{self.manifest}: {len(train)} training clips do not fill one batch of {batch_size} on each of "
                f"{world} devices; set data.loading.batch_size to {max(1, len(train) // world)} or less"
            )

    def summary(self) -> str:
        """One line that accounts for every row of the manifest."""
        rows, outside = self.labelled, len(self.all) - len(self.labelled)
        sizes = rows["split"].value_counts().sort_index() if "split" in rows else pd.Series()
        splits = ", ".join(f"{name or 'no split'} {size}" for name, size in sizes.items())
        unlabelled = int((self.all["emotion"] == "").sum()) if "emotion" in self.all else outside
        parts = [f"{self.manifest}: {len(self.all)} rows: {splits or len(rows)}"]
        if outside > unlabelled:
            parts.append(f"left out {outside - unlabelled} of other emotions than {self.labels.name}")
        if unlabelled:
            parts.append(f"left out {unlabelled} without an emotion")
        for column, count in self.unchecked.items():
            parts.append(f"{count} without a {column} could not be checked for leaks")
        if odd := odd_sounds(rows):
            parts.append(odd)
        if self.missing:
            parts.append(f"{self.missing} whose file is not there are skipped")
        return "; ".join(parts)

    def _part(self, split: str) -> pd.DataFrame:
        with naming(self.manifest):
            return select_split(self._labelled_or_refuse(), split)

    def _labelled_or_refuse(self) -> pd.DataFrame:
        if self.labelled.empty:
            raise DataError(f"{self.manifest}: column 'emotion' is empty or missing; only `predict` can do without")
        return self.labelled
