"""Accumulate a confusion matrix over batches and ranks, and score it."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from stages.metrics.confusion import confusion_matrix, scores


class EmotionMetrics(Metric):
    """WA, UA, weighted F1 and weighted precision of one set of clips.

    Formulas are those of `stages.metrics.confusion`; averages of batches would not give them, so the confusion
    matrix is what adds up over batches and ranks.

    Args:
        labels: The classes, in the order of the logits.

    Attributes:
        confusion: [C, C] int64, rows the truth, columns the answer.

    Raises:
        ValueError: If there is no label, or one is given twice.

    >>> metrics = EmotionMetrics(["anger", "neutral"])
    >>> metrics.update(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]))
    >>> metrics.compute()["UA"]
    tensor(0.7500)
    """

    full_state_update = False
    is_differentiable = False
    higher_is_better = True
    confusion: Tensor

    def __init__(self, labels: Sequence[str]) -> None:
        super().__init__()
        if not labels or len(set(labels)) < len(labels):
            raise ValueError(f"labels are {list(labels)}; expected at least one, and each only once")
        self.labels = list(labels)
        self.add_state("confusion", torch.zeros(len(labels), len(labels), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, predicted_N: Tensor, truth_N: Tensor) -> None:
        """Count N clips, given the index of the predicted and of the true label of each.

        Raises:
            ValueError: If the two differ in length or an index has no label.
        """
        counts = confusion_matrix(truth_N.cpu(), predicted_N.cpu(), len(self.labels))
        self.confusion += torch.from_numpy(counts).to(self.confusion.device)

    def compute(self) -> dict[str, Tensor]:
        """Return 0-d tensors: WA, UA, WF1, precision in [0, 1] (NaN without clips), n clips, classes in the truth."""
        return {name: torch.tensor(value) for name, value in scores(self.confusion.cpu()).items()}
