"""What every stage's data tells its stage, and what it may be told."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import pandas as pd
from lightning.pytorch import LightningDataModule

from datamodules.clips.dataset import AudioReading
from datamodules.labels import EMOTIONS, LabelSet


class EmotionDataModule(LightningDataModule, ABC):
    """Data of a stage: the classes, and the loaders of Lightning.

    ``class_labels`` and ``class_words`` reach the stage by a link, so that a class set is named once.

    The loaders work without a trainer, as those of one process that has not begun to train.

    Attributes:
        position: Returns the epoch, and the batch in it, at which training begins or goes on. Whoever resumes a run
            sets it.
        sample_rate: Rate in Hz of the waveforms. Whoever knows the encoder sets it where it is null.
        audio: How recordings are read; null where none are.
    """

    audio: AudioReading | None = None

    def __init__(self) -> None:
        super().__init__()
        self.position: Callable[[], tuple[int, int]] = _beginning
        self.sample_rate: int | None = None

    @property
    @abstractmethod
    def label_set(self) -> LabelSet:
        """The classes in logit order."""

    @property
    def has_dev(self) -> bool:
        """Whether there is anything to validate on while fitting."""
        return False

    @property
    def training_rows(self) -> pd.DataFrame | None:
        """The rows of a manifest whose recordings training hears; None where it hears none.

        A checkpoint keeps their speakers, so that no later stage is tested on them.
        """
        return None

    @property
    def selection_rows(self) -> pd.DataFrame | None:
        """The rows by whose scores a checkpoint is chosen; None where there are none."""
        return None

    @property
    def class_labels(self) -> list[str]:
        """Canonical nouns of the classes, such as ``anger``."""
        return list(self.label_set.labels)

    @property
    def class_words(self) -> list[str]:
        """The classes as prompts name them, such as ``angry``."""
        return [EMOTIONS[label].adjective for label in self.label_set.labels]

    @property
    def rank_and_world(self) -> tuple[int, int]:
        """Which process this is, and how many there are."""
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)

    def identity(self) -> Mapping[str, object]:
        """What decides the batches of training, by names that a person knows; a resumed run must have the same."""
        return {}


def _beginning() -> tuple[int, int]:
    return 0, 0
