"""The N x N logits of clips and their captions, kept on the U rows of the table of captions."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from losses.batch import ContrastiveBatch
from losses.similarity import similarity


@dataclass(frozen=True)
class CaptionLogits:
    """Logits of N clips and U captions, with the denominators that the N captions of the clips give.

    Clips that share a caption have equal columns in the N x N logits. One column with its count gives the same sums
    and the same gradients: a caption seen n times adds ``log n`` to its logit.

    Attributes:
        logit_NU: Scaled cosines.
        paired_NU: 1 at each clip's own caption, else 0.
        text_N: Log of each clip's denominator, over the captions of all clips.
        audio_N: Log of the denominator of each clip's caption, over all clips.
    """

    logit_NU: Tensor
    paired_NU: Tensor
    text_N: Tensor
    audio_N: Tensor

    @classmethod
    def of(cls, pairs: ContrastiveBatch) -> "CaptionLogits":
        """Compute them from gathered pairs."""
        logit_NU = pairs.scale * similarity(pairs.audio_NE, pairs.text_UE)
        paired_NU = F.one_hot(pairs.caption_N, len(pairs.text_UE)).to(logit_NU.dtype)
        # log 0 = -inf takes a caption that no clip has out of the denominator.
        text_N = (logit_NU + paired_NU.sum(0).log()).logsumexp(1)
        return cls(logit_NU, paired_NU, text_N, logit_NU.logsumexp(0)[pairs.caption_N])

    def same_label(self, label_N: Tensor) -> Tensor:
        """Return, per clip and caption, the share of the pairs with the clip's label that have this caption: [N, U].

        Rows sum to 1. A clip whose label is unknown (-1) shares with nobody.
        """
        alone_N = -1 - torch.arange(len(label_N), device=label_N.device)
        known_N = torch.where(label_N < 0, alone_N, label_N)
        groups, group_N = torch.unique(known_N, return_inverse=True)
        count_GU = self.paired_NU.new_zeros(len(groups), self.paired_NU.shape[1]).index_add_(0, group_N, self.paired_NU)
        return (count_GU / count_GU.sum(1, keepdim=True))[group_N]
