"""Data for a stage: a few clips of each class."""

from pathlib import Path

import pandas as pd
from torch.utils.data import DataLoader

from datamodules.batch import ClipBatch
from datamodules.clips.dataset import AudioReading, Clips
from datamodules.clips.loading import Loading, clip_loader
from datamodules.clips.rows import clips_of
from datamodules.clips.sampler import EpochSampler
from datamodules.clips.split import ManifestSplit, Split
from datamodules.emotion_data import EmotionDataModule
from datamodules.labels import LabelSet, resolve_label_set


class FewShots(EmotionDataModule):
    """A few training clips of each class, all of them in each step.

    Args:
        manifest: CSV or Parquet, a row per clip.
        labels: The classes; by default those of the checkpoint that the stage starts from.
        shots: Clips of each class.
        split: Which clips are trained on.
        audio: How recordings are read.
        seed: Of the choice.
    """

    def __init__(
        self,
        manifest: Path,
        labels: str | list[str] | LabelSet,
        shots: int = 4,
        split: Split = Split(),  # noqa: B008  # never changed
        audio: AudioReading = AudioReading(),  # noqa: B008
        seed: int = 1,
    ) -> None:
        super().__init__()
        self.manifest, self.audio, self.seed = manifest, audio, seed
        self._label_set = resolve_label_set(labels)
        train = ManifestSplit(manifest, self._label_set, split).train
        self.rows = train.sample(frac=1, random_state=seed).groupby("label").head(shots)

    @property
    def label_set(self) -> LabelSet:
        return self._label_set

    @property
    def training_rows(self) -> pd.DataFrame:
        """What is heard: nobody who speaks there is tested."""
        return self.rows

    def train_dataloader(self) -> DataLoader[ClipBatch]:
        clips = Clips(clips_of(self.rows, pd.DataFrame(), self.manifest.name, ""), self.audio.at(self.sample_rate))
        order = EpochSampler(len(clips), len(clips), self.seed, *self.rank_and_world, self.position(), drop_last=False)
        return clip_loader(clips, Loading(len(clips), num_workers=0), order, training=True)
