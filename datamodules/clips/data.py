"""The clips of one manifest as a Lightning data module: batches for training, validation, testing and prediction."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path

import pandas as pd
from lightning.pytorch.utilities import rank_zero_info
from torch.utils.data import DataLoader

from datamodules.audio.reading import AudioFormat
from datamodules.batch import ClipBatch
from datamodules.captions.source import CaptionSource
from datamodules.captions.template import Template
from datamodules.clips.dataset import AudioReading, Clips
from datamodules.clips.loading import Loading, clip_loader
from datamodules.clips.rows import Clip, clips_of, numbers_of
from datamodules.clips.sampler import EpochSampler, equal_batches
from datamodules.clips.split import ManifestSplit, Split
from datamodules.emotion_data import EmotionDataModule
from datamodules.errors import DataError, naming
from datamodules.features import FeatureSource, no_features
from datamodules.labels import LabelSet, resolve_label_set
from datamodules.manifest.identity import digest_of_rows, settings_of

CAPTION = "This is a {emotion} sound"
# Settings of `AudioReading` that decide what a batch of training holds.
HEARD = ("seconds", "crop", "pad", "sample_rate", "resample_via")


class ClipData(EmotionDataModule):
    """Clips of a manifest, split by its column ``split`` or by one of its fold columns.

    The manifest is read and checked when this is made: before any model. Its loaders need no trainer.

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
        columns: Further columns of the manifest that a loss asks for, as numbers; see `numbers_of`.
        loading: Batches, and who reads them.
        seed: Of the order, the crops and the augmentation.

    Attributes:
        table: The rows of the manifest, split.
        sample_rate: Rate in Hz of the waveforms; who knows the encoder sets it where ``audio.sample_rate`` is null.
        features: Gives the vectors of clips and texts that need not be computed in training; see `FeatureTable`.

    Raises:
        DataError: If the manifest, its labels or its splits are not sound.

    Example:
        >>> data = ClipData(Path("m.csv"), "demo6", audio=AudioReading(sample_rate=16000))  # doctest: +SKIP
        >>> for batch in data.train_dataloader():  # doctest: +SKIP
        ...     print(batch["wave"].shape, batch["texts"]["caption"].distinct)
    """

    def __init__(
        self,
        manifest: Path,
        labels: str | list[str] | LabelSet,
        split: Split = Split(),  # noqa: B008  # never changed
        audio: AudioReading = AudioReading(),  # noqa: B008
        texts: dict[str, CaptionSource | str | None] = {"caption": CAPTION},  # noqa: B006
        columns: Sequence[str] = (),
        loading: Loading = Loading(),  # noqa: B008
        seed: int = 1,
    ) -> None:
        super().__init__()
        self.manifest, self.split, self.loading, self.seed = Path(manifest), split, loading, seed
        self.audio: AudioReading = audio
        self.sample_rate = audio.sample_rate
        self.features: FeatureSource = no_features
        self._label_set = resolve_label_set(labels)
        if loading.batch_size < 1 or audio.seconds <= 0:
            raise DataError(f"data: batch_size {loading.batch_size} and seconds {audio.seconds:g} must be positive")
        self.table = ManifestSplit(self.manifest, self._label_set, split, check_files=audio.on_bad_audio == "raise")
        self.numbers = numbers_of(self.table.all, columns, self.manifest)
        self.texts = {
            name: Template(source) if isinstance(source, str) else source
            for name, source in {"caption": CAPTION, **texts}.items()
            if source is not None
        }
        if not any(source.slow for source in self.texts.values()):
            self.prepare_data()  # mistakes are told before any model is built

    @property
    def label_set(self) -> LabelSet:
        return self._label_set

    @property
    def has_dev(self) -> bool:
        return self.table.has_dev

    @property
    def training_rows(self) -> pd.DataFrame:
        return self.table.train

    @property
    def selection_rows(self) -> pd.DataFrame:
        return self.table.dev

    @cached_property
    def written(self) -> pd.DataFrame:
        """The texts of every labelled row, a column for each name; written when first asked for."""
        rows, reference = self.table.labelled, self.table.reference
        columns = {}
        for name, source in {} if rows.empty else self.texts.items():
            # A template does not know which text it is; other sources name their own settings.
            where = naming(f"data.texts.{name}") if isinstance(source, Template) else nullcontext()
            with where:
                columns[name] = source.write(rows, reference)
        return pd.DataFrame(columns, index=rows.index)

    def prepare_data(self) -> None:
        """Write the texts: Lightning calls this in one process, and the others read what it has measured and kept."""
        self.written  # noqa: B018

    def setup(self, stage: str) -> None:
        predicts = f"{self.manifest}: {len(self.table.predict)} rows to predict" if stage == "predict" else None
        rank_zero_info(predicts or self.table.summary())
        if stage == "fit":
            self.table.require_trainable(self.loading.batch_size, self.rank_and_world[1])

    def identity(self) -> Mapping[str, object]:
        rows = {"training clips": self.table.train, "validation clips": self.table.dev}
        return {
            **{name: digest_of_rows(part, self._told(part)) for name, part in rows.items()},
            "data.loading.batch_size": self.loading.batch_size,
            **{f"data.audio.{name}": getattr(self.audio, name) for name in HEARD},
            "data.audio.augmentation": settings_of(self.audio.augmentation),
            "seed_everything": self.seed,
        }

    def train_dataloader(self) -> DataLoader[ClipBatch]:
        """Load the training clips in an order that seed and epoch decide, as many on each rank."""
        rows, (rank, world), how = self.table.train, self.rank_and_world, self.audio
        order = EpochSampler(len(rows), self.loading.batch_size, self.seed, rank, world, self.position())
        # A crop of what is no longer than itself is always the same.
        random_crop = how.crop == "random"
        varies = how.augmentation is not None or (random_crop and not self._short(rows))
        found = self._clips(rows, self.written)
        kept = self.features(found, self.form, not varies)
        clips = Clips(found, self.form, how.augmentation, self.seed, random_crop, how.on_bad_audio, kept)
        on_gpu = self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"
        return clip_loader(clips, self.loading, order, training=True, pin_memory=on_gpu)

    def val_dataloader(self) -> DataLoader[ClipBatch] | list[DataLoader[ClipBatch]]:
        return self._each_once(self.table.dev) if self.has_dev else []

    def test_dataloader(self) -> DataLoader[ClipBatch]:
        return self._each_once(self.table.test)

    def predict_dataloader(self) -> DataLoader[ClipBatch]:
        """Load every row of the tested part, with a label or without, where ``label`` is -1; it has no texts."""
        rows, (rank, world) = self.table.predict, self.rank_and_world
        order = [(0, index) for index in range(rank, len(rows), world)]
        return clip_loader(self._as_they_are(rows, self.written[:0]), self.loading, order)

    def caption_table(self) -> pd.DataFrame:
        """Texts as one can read them: ``id``, ``split``, ``label``, and a column for each text."""
        rows = self.table.labelled
        told = rows.assign(split=rows.get("split", ""))[["id", "split", "label"]]
        return pd.concat([told, self.written], axis=1)

    def caption_bins(self) -> dict[str, tuple[float, float]]:
        """Where low ends and high begins for what texts speak of, as the training rows have it."""
        reference = self.table.reference
        return {name: bounds for source in self.texts.values() for name, bounds in source.bins(reference).items()}

    @property
    def form(self) -> AudioFormat:
        """What a waveform is like.

        Raises:
            DataError: If nobody has said at which rate the encoder hears.
        """
        if self.sample_rate is None:
            raise DataError(
                "data.audio.sample_rate: without a stage nobody knows at which rate its encoder hears; set it, as in "
                "ClipData(..., audio=AudioReading(sample_rate=16000))"
            )
        return self.audio.at(self.sample_rate)

    def _each_once(self, rows: pd.DataFrame) -> DataLoader[ClipBatch]:
        """Every row once, in order, in as many batches on every rank: ranks wait for each other."""
        batches = equal_batches(len(rows), self.loading.batch_size, *self.rank_and_world)
        return clip_loader(self._as_they_are(rows, self.written), self.loading, batches=batches)

    def _as_they_are(self, rows: pd.DataFrame, texts: pd.DataFrame) -> Clips:
        """The middle of each recording, unchanged."""
        clips = self._clips(rows, texts)
        kept = self.features(clips, self.form, True)
        return Clips(clips, self.form, on_bad_audio=self.audio.on_bad_audio, kept=kept)

    def _clips(self, rows: pd.DataFrame, texts: pd.DataFrame) -> list[Clip]:
        return clips_of(rows, texts, self.manifest.name, self.manifest.parent.name, self.numbers)

    def _told(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Texts and further columns of rows."""
        return pd.concat([self.written.loc[rows.index], self.numbers.loc[rows.index].add_prefix("column ")], axis=1)

    def _short(self, rows: pd.DataFrame) -> bool:
        """Whether no row is known to be, or may be, longer than what is heard of it."""
        return "duration" in rows and bool((rows["duration"] <= self.audio.seconds).all())
