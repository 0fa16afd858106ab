"""Learned prompts as the training examples of a classifier."""

from collections.abc import Mapping

import torch
from torch.utils.data import DataLoader, Dataset

from datamodules.batch import PromptBatch
from datamodules.clips.sampler import EpochSampler
from datamodules.emotion_data import EmotionDataModule
from datamodules.errors import DataError
from datamodules.labels import LabelSet, resolve_label_set


class PromptData(EmotionDataModule):
    """Every pair of a context and a class, in an order that seed and epoch decide.

    Args:
        labels: The classes: a label set by its name, a list of emotions in logit order, or a label set in full; by
            default those of the checkpoint that the stage starts from.
        batch_size: Prompts per step; the last batch of an epoch may be smaller.
        seed: Of the order.
        contexts: Number of contexts; null takes that of the stage's learned prompts.
    """

    def __init__(
        self, labels: str | list[str] | LabelSet, batch_size: int = 16, seed: int = 1, contexts: int | None = None
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise DataError(f"data: batch_size {batch_size} must be positive")
        self._label_set = resolve_label_set(labels)
        self.batch_size = batch_size
        self.seed = seed
        self.contexts = contexts

    @property
    def label_set(self) -> LabelSet:
        return self._label_set

    def identity(self) -> Mapping[str, object]:
        return {"classes": self._label_set.labels, "data.batch_size": self.batch_size, "seed_everything": self.seed}

    def train_dataloader(self) -> DataLoader[PromptBatch]:
        """Load the pairs.

        Raises:
            DataError: If the number of contexts is unknown.
        """
        if self.contexts is None:
            raise DataError("data.contexts: without a stage nobody knows how many contexts its prompts have; set it")
        prompts = _Prompts(self.contexts, len(self._label_set.labels))
        order = EpochSampler(len(prompts), self.batch_size, self.seed, start=self.position(), drop_last=False)
        return DataLoader(prompts, self.batch_size, sampler=order)


class _Prompts(Dataset[PromptBatch]):
    """Every pair of a context and a class, by (epoch, index)."""

    def __init__(self, contexts: int, classes: int) -> None:
        self.contexts, self.classes = contexts, classes

    def __len__(self) -> int:
        return self.contexts * self.classes

    def __getitem__(self, key: tuple[int, int]) -> PromptBatch:
        context, label = divmod(key[1], self.classes)
        return PromptBatch(context=torch.tensor(context), label=torch.tensor(label))
