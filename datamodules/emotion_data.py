"""What every stage's data tells its stage."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from lightning.pytorch import LightningDataModule

from datamodules.labels import EMOTIONS, LabelSet


class EmotionDataModule(LightningDataModule, ABC):
    """Data of a stage: the classes, and the loaders of Lightning.

    ``class_labels`` and ``class_words`` reach the stage by a link, so that a class set is named once.
    """

    @property
    @abstractmethod
    def view(self) -> LabelSet:
        """The classes in logit order."""

    @property
    def has_dev(self) -> bool:
        """Whether there is anything to validate on while fitting."""
        return False

    @property
    def class_labels(self) -> list[str]:
        """Canonical nouns of the classes, such as ``anger``."""
        return list(self.view.labels)

    @property
    def class_words(self) -> list[str]:
        """The classes as prompts name them, such as ``angry``."""
        return [EMOTIONS[label].adjective for label in self.view.labels]

    def identity(self) -> Mapping[str, object]:
        """What decides the batches of training, by names that a person knows; a resumed run must have the same."""
        return {}
