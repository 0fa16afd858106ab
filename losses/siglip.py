"""Sigmoid loss: a binary classification of every pair of clip and caption."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from losses.batch import ContrastiveBatch, ContrastiveLoss
from losses.errors import one_of
from losses.logits import similarity

# Of unit vectors: far above what ranks differ by in rounding, far below what two texts differ by.
SAME_TEXT = 1e-5


class SigLip(ContrastiveLoss):
    """Sigmoid loss over all N x N pairs, summed over captions and averaged over clips.

    The logit of a pair is ``scale * cosine + bias``. Here ``scale`` multiplies as it does in the softmax losses; the
    paper starts it at 10, which is a temperature of 0.1 in the model's settings. ``bias`` is a parameter of this
    loss, trained with the model and of no use after: without it the N - 1 negatives of each clip outweigh its
    positive from the start.

    Args:
        duplicates: Role of another clip's caption that has the same text as the clip's own: ``positive``, or
            ``negative`` as in the paper, whose captions hardly repeat. Texts are the same when their embeddings are,
            to 1e-5, on whichever rank.
        bias: Initial value of the bias.

    Raises:
        LossSettingError: If ``duplicates`` is neither.

    Reference: Zhai et al., "Sigmoid Loss for Language Image Pre-Training", ICCV 2023, section 3.2.
    """

    def __init__(self, duplicates: Literal["positive", "negative"] = "positive", bias: float = -10.0) -> None:
        super().__init__()
        one_of("SigLip: duplicates", duplicates, ("positive", "negative"))
        self.duplicates = duplicates
        self.bias = nn.Parameter(torch.tensor(float(bias)))

    def forward(self, pairs: ContrastiveBatch) -> Tensor:
        """Return a non-negative scalar, the same on every rank."""
        pairs = pairs.gathered()
        logit_NU = pairs.scale * similarity(pairs.audio_NE, pairs.text_UE) + self.bias
        paired_NU = F.one_hot(pairs.caption_N, len(pairs.text_UE)).to(logit_NU.dtype)
        count_U = paired_NU.sum(0)
        if self.duplicates == "positive":
            positive_NU = count_U * _same_text(pairs.text_UE)[pairs.caption_N]
        else:
            positive_NU = paired_NU
        negative_NU = count_U - positive_NU
        likelihood_NU = positive_NU * F.logsigmoid(logit_NU) + negative_NU * F.logsigmoid(-logit_NU)
        return -likelihood_NU.sum(1).mean()


def _same_text(text_UE: Tensor) -> Tensor:
    """Return which pairs of rows are one point, to ``SAME_TEXT``: bool [U, U]."""
    # In float64, for the difference of nearly equal numbers has to resolve the square of a small distance.
    text_UE = text_UE.detach().double()
    square_U = text_UE.square().sum(1)
    return square_U[:, None] + square_U - 2 * similarity(text_UE, text_UE) <= SAME_TEXT**2
