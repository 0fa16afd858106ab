"""Two metrics: a score of recognition, and a property of the shared space."""

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from stages.metrics import ClassScore, Trials
from stages.metrics.space_metric import GatheredMetric, SharedSpace


class WorstRecall(ClassScore):
    """Recall of the class that is recognised worst."""

    name = "worst recall"
    better = "higher"

    def of(self, confusion: ArrayLike) -> float:
        """Return the smallest recall of the classes that occur, from counts [C, C], truth by row."""
        counts = np.asarray(confusion)
        occurs = counts.sum(1) > 0
        recall = counts.diagonal()[occurs] / counts.sum(1)[occurs]
        return float(recall.min()) if len(recall) else float("nan")


class Hubness(GatheredMetric):
    """Largest share of the clips that have one and the same caption as their nearest; low values are good."""

    def features(self, clips: SharedSpace) -> Tensor:
        """What is kept of a batch until the end, over all ranks: both embeddings, [N, 2E]."""
        return torch.cat([clips.audio_NE, clips.text_NE], dim=1)

    def compute(self) -> dict[str, Trials]:
        """Return one value, by the name that results and reports show."""
        audio_NE, text_NE = self.gathered().tensor_split(2, dim=1)
        text_UE = torch.unique(text_NE, dim=0)
        nearest_N = (audio_NE @ text_UE.T).argmax(1)
        share = nearest_N.bincount().max() / len(nearest_N)
        return {"hubness": Trials([float(share)], better="lower")}
