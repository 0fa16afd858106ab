"""Cosines of embeddings, and logits of clips and captions."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from losses.batch import ContrastiveBatch


def similarity(x_NE: Tensor, y_ME: Tensor) -> Tensor:
    """Return the dot products [..., N, M] of rows; of unit rows, their cosines.

    Half-precision inputs are widened, and autocast is off: one bfloat16 step near a cosine of 1 is 0.004, which a
    scale of 100 makes 0.4 of a logit. The result is float32, or float64 when an input is.
    """
    dtype = torch.promote_types(torch.promote_types(x_NE.dtype, y_ME.dtype), torch.float32)
    with torch.autocast(x_NE.device.type, enabled=False):
        return x_NE.to(dtype) @ y_ME.to(dtype).mT


@dataclass(frozen=True)
class CaptionLogits:
    """Logits of N clips and U distinct captions, with the softmax denominators over the captions of all N clips.

    Clips that share a caption have equal columns in the N x N logits. One column with its count gives the same sums
    and the same gradients: a caption seen n times adds ``log n`` to its logit.

    Attributes:
        logit_NU: Scaled cosines.
        paired_NU: 1 at each clip's caption, else 0.
        text_N: Log of each clip's denominator, over the captions of all clips.
        audio_N: Log of the denominator of each clip's caption, over all clips.
    """

    logit_NU: Tensor
    paired_NU: Tensor
    text_N: Tensor
    audio_N: Tensor

    @classmethod
    def of(cls, pairs: ContrastiveBatch) -> "CaptionLogits":
        """Compute the logits of gathered pairs."""
        logit_NU = pairs.scale * similarity(pairs.audio_NE, pairs.text_UE)
        paired_NU = F.one_hot(pairs.caption_N, len(pairs.text_UE)).to(logit_NU.dtype)
        # log 0 = -inf removes a caption that no clip has from the denominator.
        text_N = (logit_NU + paired_NU.sum(0).log()).logsumexp(1)
        return cls(logit_NU, paired_NU, text_N, logit_NU.logsumexp(0)[pairs.caption_N])

    def same_label(self, label_N: Tensor) -> Tensor:
        """Return, per clip and caption, the share of the pairs with the clip's label that have this caption: [N, U].

        Rows sum to 1. A clip with unknown label (-1) shares its label with no other.
        """
        unique_N = -1 - torch.arange(len(label_N), device=label_N.device)
        label_N = torch.where(label_N < 0, unique_N, label_N)
        groups, group_N = torch.unique(label_N, return_inverse=True)
        count_GU = self.paired_NU.new_zeros(len(groups), self.paired_NU.shape[1])
        count_GU.index_add_(0, group_N, self.paired_NU)
        return (count_GU / count_GU.sum(1, keepdim=True))[group_N]
