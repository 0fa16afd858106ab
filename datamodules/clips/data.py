"""The clips of one manifest, for training on them and for testing on them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_info
from torch.utils.data import DataLoader

from datamodules import stop_signals
from datamodules.audio.reading import AudioFormat
from datamodules.batch import ClipBatch
from datamodules.captions.source import CaptionSource
from datamodules.captions.template import Template
from datamodules.clips.dataset import AudioReading, Clip, Clips, Collate, SplitFeatures
from datamodules.clips.loader import Loader, Loading
from datamodules.clips.rows import clips_of, odd_sounds, require_filled, with_texts
from datamodules.clips.sampler import EpochSampler, equal_batches, place_in_training
from datamodules.clips.split import Split
from datamodules.emotion_data import EmotionDataModule
from datamodules.errors import DataError, naming
from datamodules.features.loader import keep
from datamodules.labels import LabelSet, resolve_label_set
from datamodules.manifest.checks import find_files
from datamodules.manifest.folds import assign_fold, select_split
from datamodules.manifest.identity import digest_of_rows, settings_of
from datamodules.manifest.leakage import check_disjoint
from datamodules.manifest.reading import read_manifest
from datamodules.manifest.selection import require_classes, select_view
from datamodules.manifest.whereabouts import require_manifest

CAPTION = "This is a {emotion} sound"
# Settings of `AudioReading` that decide what a batch of training holds.
HEARD = ("seconds", "crop", "pad", "sample_rate", "resample_via")


class ClipData(EmotionDataModule):
    """Clips of a manifest, split by its column ``split`` or by one of its fold columns.

    The manifest is read and checked when this is made: before any model.

    Args:
        manifest: CSV or Parquet, a row per clip (``lightning-cli prepare`` writes it).
        labels: The classes: a label set by its name, such as ``emodb7``, a list of emotions in logit order, or a label
            set in full, ``{name, labels, merge}``. Clips of any other emotion are left out, and counted; ``predict``
            alone reads them too, and clips without an emotion.
        split: Which clips are trained, validated and tested on.
        audio: How recordings are read.
        texts: What is written about each clip, by names that losses ask for: ``caption``, ``tags``, and any others. A
            text is a template: ``{emotion}`` is the class as an adjective ("angry"), ``{noun}`` as a noun ("anger"),
            any other name in braces a column of the manifest. Null writes none; ``caption`` is `CAPTION` unless it is
            given.
        loading: Batches, and who reads them.
        seed: Of the order, the crops and the augmentation.

    Raises:
        DataError: If the manifest, its labels or its splits are not sound.
    """

    def __init__(
        self,
        manifest: Path,
        labels: str | list[str] | LabelSet,
        split: Split = Split(),  # noqa: B008  # never changed
        audio: AudioReading = AudioReading(),  # noqa: B008
        texts: dict[str, CaptionSource | str | None] = {"caption": CAPTION},  # noqa: B006
        loading: Loading = Loading(),  # noqa: B008
        seed: int = 1,
    ) -> None:
        super().__init__()
        self.manifest, self.split, self.audio, self.loading, self.seed = manifest, split, audio, loading, seed
        self._view = resolve_label_set(labels)
        if loading.batch_size < 1 or audio.seconds <= 0:
            raise DataError(f"data: batch_size {loading.batch_size} and seconds {audio.seconds:g} must be positive")
        require_manifest(manifest)
        rows = read_manifest(manifest, check_files=audio.on_bad_audio == "raise")
        self.missing = sum(1 for _ in find_files(rows)) if audio.on_bad_audio == "skip" else 0
        if split.protocol is not None:
            with naming(manifest):
                rows = assign_fold(rows, split.protocol, split.fold, split.dev)
        compared = "split" in rows and "all" not in (split.train_on, split.test_on)
        self.unchecked = check_disjoint(rows, manifest, split.disjoint) if compared else {}
        self.all_rows = rows
        self.texts = {
            name: Template(source) if isinstance(source, str) else source
            for name, source in {"caption": CAPTION, **texts}.items()
            if source is not None
        }
        labelled = "emotion" in rows and (rows["emotion"] != "").any()
        # Without any emotion only `predict` works; every other loader says so.
        with naming(manifest):
            self.rows = select_view(rows, self._view) if labelled else rows[:0]
        self.outside_view = len(rows) - len(self.rows)
        require_filled(self.rows, split.require, manifest)
        self.rows = with_texts(self.rows, self._for_bins(), self.texts)

    @property
    def view(self) -> LabelSet:
        return self._view

    def setup(self, stage: str) -> None:
        predicted = f"{self.manifest}: {len(self.predict_rows)} rows to predict" if stage == "predict" else None
        rank_zero_info(predicted or self.summary())
        if stage == "fit":
            train = self.train_rows
            with naming(self.manifest):
                require_classes(train, self.view, "training")
            world = self._trainer().world_size
            if len(train) < self.loading.batch_size * world:
                raise DataError(
                    f"{self.manifest}: {len(train)} training clips do not fill one batch of {self.loading.batch_size} "
                    f"on each of {world} devices; set data.loading.batch_size to {max(1, len(train) // world)} or less"
                )

    def summary(self) -> str:
        """One line that accounts for every row of the manifest."""
        sizes = self.rows["split"].value_counts().sort_index() if "split" in self.rows else pd.Series()
        splits = ", ".join(f"{name or 'no split'} {size}" for name, size in sizes.items())
        counted = f"{len(self.rows) + self.outside_view} rows: {splits or len(self.rows)}"
        unlabelled = int((self.all_rows["emotion"] == "").sum()) if "emotion" in self.all_rows else self.outside_view
        others = self.outside_view - unlabelled
        outside = f"; left out {others} of other emotions than {self.view.name}" if others else ""
        outside += f"; left out {unlabelled} without an emotion" if unlabelled else ""
        unchecked = "".join(
            f"; {count} without a {column} could not be checked for leaks" for column, count in self.unchecked.items()
        )
        missing = f"; {self.missing} whose file is not there are skipped" if self.missing else ""
        return f"{self.manifest}: {counted}{outside}{unchecked}{odd_sounds(self.rows)}{missing}"

    def identity(self) -> Mapping[str, object]:
        dev = self._split("dev") if self.has_dev else self.rows[:0]
        rows = {"training clips": self.train_rows, "validation clips": dev}
        return {
            **{name: digest_of_rows(part) for name, part in rows.items()},
            "data.loading.batch_size": self.loading.batch_size,
            **{f"data.audio.{name}": getattr(self.audio, name) for name in HEARD},
            "data.audio.augmentation": settings_of(self.audio.augmentation),
            "seed_everything": self.seed,
        }

    def train_dataloader(self) -> DataLoader[ClipBatch]:
        trainer, rows = self._trainer(), self.train_rows
        start = place_in_training(trainer)
        sampler = EpochSampler(
            len(rows), self.loading.batch_size, self.seed, trainer.global_rank, trainer.world_size, start
        )
        random_crop = self.audio.crop == "random"
        # A crop of what is no longer than itself is always the same.
        varies = self.audio.augmentation is not None or (random_crop and not self._short(rows))
        kept = self._kept(rows, hears="nothing" if varies else "middle")
        clips = Clips(
            self._clips(rows),
            self._form(),
            self.audio.augmentation,
            self.seed,
            random_crop,
            self.audio.on_bad_audio,
            kept,
        )
        workers = 0 if kept.complete else self.loading.num_workers
        return Loader(
            clips,
            self.loading.batch_size,
            sampler=sampler,
            num_workers=workers,
            worker_init_fn=stop_signals.ignore,
            collate_fn=Collate(self._form().samples, kept),
            persistent_workers=workers > 0,
            pin_memory=trainer.strategy.root_device.type == "cuda",
        )

    def val_dataloader(self) -> DataLoader[ClipBatch] | list[DataLoader[ClipBatch]]:
        return self._equal_loader(self._split("dev")) if self.has_dev else []

    def test_dataloader(self) -> DataLoader[ClipBatch]:
        return self._equal_loader(self.test_rows)

    def predict_dataloader(self) -> DataLoader[ClipBatch]:
        """Every row of the tested part, with an emotion of the view or without; ``label`` is -1 where it has none."""
        rows = self.predict_rows
        trainer, kept = self._trainer(), self._kept(rows, hears="middle")
        return Loader(
            self._as_they_are(rows, kept),
            # By name: Lightning makes the loader of `predict` anew from its arguments.
            batch_size=self.loading.batch_size,
            sampler=[(0, index) for index in range(trainer.global_rank, len(rows), trainer.world_size)],
            num_workers=0 if kept.complete else self.loading.num_workers,
            worker_init_fn=stop_signals.ignore,
            collate_fn=Collate(self._form().samples, kept, may_be_empty=True),
        )

    @property
    def has_dev(self) -> bool:
        """Whether there is a dev split; a fit on all rows has none."""
        return self.split.train_on == "train" and "split" in self.rows and bool((self.rows["split"] == "dev").any())

    @property
    def train_rows(self) -> pd.DataFrame:
        """The rows that ``fit`` learns from."""
        return self._labelled() if self.split.train_on == "all" else self._split("train")

    @property
    def test_rows(self) -> pd.DataFrame:
        """The rows that ``test`` reads."""
        return self._labelled() if self.split.test_on == "all" else self._split(self.split.test_on)

    @property
    def predict_rows(self) -> pd.DataFrame:
        """The rows that ``predict`` reads: those of ``test_on``, or all of a manifest without splits."""
        rows = self.all_rows
        if self.split.test_on != "all" and "split" in rows:
            rows = self._split(self.split.test_on, rows)
        emotions = rows["emotion"] if "emotion" in rows else pd.Series("", rows.index)
        number = {label: place for place, label in enumerate(self._view.labels)}
        targets = [number.get(self._view.label_of(emotion) or "", -1) for emotion in emotions]
        return rows.assign(target=targets)

    def _split(self, split: str, rows: pd.DataFrame | None = None) -> pd.DataFrame:
        with naming(self.manifest):
            return select_split(self._labelled() if rows is None else rows, split)

    def _labelled(self) -> pd.DataFrame:
        if self.rows.empty:
            raise DataError(f"{self.manifest}: column 'emotion' is empty or missing; only `predict` can do without")
        return self.rows

    def caption_table(self) -> pd.DataFrame:
        """Texts as one can read them: ``id``, ``split``, ``label``, and a column for each text."""
        return self.rows.assign(split=self.rows.get("split", ""))[["id", "split", "label", *self.texts]]

    def caption_bins(self) -> dict[str, tuple[float, float]]:
        """Where low ends and high begins for what captions and tags speak of, as the training rows have it."""
        return {
            name: bounds for source in self.texts.values() for name, bounds in source.bins(self._for_bins()).items()
        }

    def _for_bins(self) -> pd.DataFrame:
        whole = self.split.train_on == "all" or "split" not in self.rows
        return self.rows if whole else self.rows[self.rows["split"] == "train"]

    def _equal_loader(self, rows: pd.DataFrame) -> DataLoader[ClipBatch]:
        """Every row once, in order, the middle of each, in as many batches on every rank: ranks wait for each other."""
        trainer, kept = self._trainer(), self._kept(rows, hears="middle")
        return Loader(
            self._as_they_are(rows, kept),
            batch_sampler=equal_batches(len(rows), self.loading.batch_size, trainer.global_rank, trainer.world_size),
            num_workers=0 if kept.complete else self.loading.num_workers,
            worker_init_fn=stop_signals.ignore,
            collate_fn=Collate(self._form().samples, kept, may_be_empty=True),
        )

    def _kept(self, rows: pd.DataFrame, hears: Literal["middle", "nothing"]) -> SplitFeatures:
        """What frozen towers make of the rows: read from disk, or made now and kept there."""
        clips = self._clips(rows)
        return keep(
            self._trainer(), clips, self._form(), hears == "middle", self.audio.on_bad_audio, self.loading.num_workers
        )

    def _as_they_are(self, rows: pd.DataFrame, kept: SplitFeatures) -> Clips:
        return Clips(self._clips(rows), self._form(), on_bad_audio=self.audio.on_bad_audio, kept=kept)

    def _clips(self, rows: pd.DataFrame) -> list[Clip]:
        return clips_of(rows, self.manifest.name, self.manifest.parent.name)

    def _short(self, rows: pd.DataFrame) -> bool:
        """Whether no row is known to be, or may be, longer than what is heard of it."""
        return "duration" in rows and bool((rows["duration"] <= self.audio.seconds).all())

    def _form(self) -> AudioFormat:
        rate: Any = self.audio.sample_rate or self._trainer().lightning_module.sample_rate
        return AudioFormat(int(rate), self.audio.seconds, self.audio.pad, self.audio.resample_via)

    def _trainer(self) -> Trainer:
        if self.trainer is None:
            raise RuntimeError("ClipData's loaders need a trainer; pass the data to Trainer.fit or Trainer.test")
        return self.trainer
