"""Scores of speech emotion recognition, as functions of a confusion matrix.

A confusion matrix counts clips: rows are the truth, columns the prediction, both in the order of the labels. Scores lie
in [0, 1] and are NaN when there are no clips.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torchmetrics import Metric

from stages.metrics.space_metric import Better

Counts = NDArray[np.int64]


def confusion_matrix(truth: ArrayLike, predicted: ArrayLike, classes: int) -> Counts:
    """Count the pairs of truth and prediction: two vectors of N class indices -> [C, C].

    Raises:
        ValueError: If the vectors differ in length or an index is outside 0 to ``classes - 1``.
    """
    truth_N, predicted_N = np.asarray(truth, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    if truth_N.shape != predicted_N.shape:
        raise ValueError(f"{truth_N.size} true labels, but {predicted_N.size} predicted ones")
    for name, index_N in (("true", truth_N), ("predicted", predicted_N)):
        outside = index_N[(index_N < 0) | (index_N >= classes)]
        if outside.size:
            raise ValueError(f"a {name} label has index {outside[0]}; expected 0 to {classes - 1}")
    pairs = np.bincount(truth_N * classes + predicted_N, minlength=classes**2)
    return pairs.reshape(classes, classes).astype(np.int64)


def weighted_accuracy(confusion: ArrayLike) -> float:
    """Return WA: the share of correct clips, which is recall weighted by support."""
    counts = np.asarray(confusion)
    return _ratio(np.trace(counts), counts.sum())


def unweighted_accuracy(confusion: ArrayLike) -> float:
    """Return UA: the mean recall over the classes that occur in the truth.

    A class that is only predicted has no recall and is left out; it lowers the recall of others.
    """
    counts = np.asarray(confusion)
    support_C = counts.sum(1)
    present = support_C > 0
    recall = np.diagonal(counts)[present] / support_C[present]
    return _ratio(recall.sum(), len(recall))


def weighted_precision(confusion: ArrayLike) -> float:
    """Return precision weighted by support; 0 for a class that is never predicted."""
    counts = np.asarray(confusion)
    predicted_C = counts.sum(0)
    precision_C = np.diagonal(counts) / np.maximum(predicted_C, 1)
    return _ratio(precision_C @ counts.sum(1), counts.sum())


def weighted_f1(confusion: ArrayLike) -> float:
    """Return WF1: F1 weighted by support; 0 for a class that is never predicted correctly."""
    counts = np.asarray(confusion)
    support_C = counts.sum(1)
    predicted_C = counts.sum(0)
    f1_C = 2 * np.diagonal(counts) / np.maximum(support_C + predicted_C, 1)
    return _ratio(f1_C @ support_C, counts.sum())


class ClassScore(ABC):
    """Score of class recognition; a test takes further ones of a user's own.

    Attributes:
        name: Name in results and reports.
        better: Which values are good.
    """

    name: str
    better: Better = "higher"

    @abstractmethod
    def of(self, confusion: ArrayLike) -> float:
        """Return the score of counts [C, C], truth by row and predictions by column; NaN if undefined."""


class _Function(ClassScore):
    def __init__(self, name: str, function: Callable[[ArrayLike], float]) -> None:
        self.name, self._function = name, function

    def of(self, confusion: ArrayLike) -> float:
        return self._function(confusion)


# In the order of results and reports.
SCORES: tuple[ClassScore, ...] = (
    _Function("UA", unweighted_accuracy),
    _Function("WA", weighted_accuracy),
    _Function("WF1", weighted_f1),
    _Function("precision", weighted_precision),
)


def scores(confusion: ArrayLike) -> dict[str, float]:
    """Return all of ``SCORES``, with the numbers of clips (n) and of classes in the truth (classes)."""
    counts = np.asarray(confusion)
    return {
        **{score.name: score.of(counts) for score in SCORES},
        "n": float(counts.sum()),
        "classes": float((counts.sum(1) > 0).sum()),
    }


class EmotionMetrics(Metric):
    """WA, UA, weighted F1 and weighted precision of one set of clips.

    The confusion matrix is summed over batches and ranks, since the averages of batches would be other numbers.

    Args:
        labels: The classes, in the order of the logits.

    Attributes:
        confusion: [C, C] int64, rows the truth, columns the prediction.

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


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")
