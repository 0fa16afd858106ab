"""A contrastive loss: captions count as right the more, the nearer the emotions of their clips are."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from losses import ContrastiveBatch, ContrastiveLoss
from losses.errors import LossInputError


class RatingTargets(ContrastiveLoss):
    """Cross-entropy of clips and captions to targets that fall with the distance of the clips' ratings.

    Every clip has to be rated: ``data.split.require: [valence, arousal, dominance]`` sees to it.

    Args:
        spread: Distance on the scale from 1 to 7 at which a target has fallen to 37 %, before they sum to 1.
    """

    required_fields = ("rating",)

    def __init__(self, spread: float = 1.0) -> None:
        super().__init__()
        self.spread = spread

    def forward(self, pairs: ContrastiveBatch) -> Tensor:
        """Return a scalar, the same on every rank.

        Raises:
            LossInputError: If there are no ratings.
        """
        pairs = pairs.gathered()
        if pairs.rating_NR is None:
            raise LossInputError("RatingTargets needs ratings, and the data have none")
        target_NN = (-torch.cdist(pairs.rating_NR, pairs.rating_NR) / self.spread).softmax(1)
        logit_NN = pairs.scale * pairs.audio_NE @ pairs.text_NE.T
        return (cross_entropy(logit_NN, target_NN) + cross_entropy(logit_NN.T, target_NN)) / 2
