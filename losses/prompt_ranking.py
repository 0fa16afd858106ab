"""The two objectives of acoustic context prompt tuning: which class prompt does a text belong to."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from losses.errors import LossSettingError
from losses.similarity import similarity

Reduction = Literal["mean", "sum"]


class PromptCrossEntropy(nn.Module):
    """Cross-entropy of the texts' scaled cosines to the class prompts, under every context.

    Args:
        reduction: Over texts and contexts: ``mean``, or ``sum`` as printed.

    Raises:
        LossSettingError: If ``reduction`` is neither.

    Reference: CLEP-DG, equation 1, with the exponential that it lacks: cosines may be negative, their logarithm not.
    """

    def __init__(self, reduction: Reduction = "mean") -> None:
        super().__init__()
        self.reduction = _checked(reduction)

    def forward(self, text_ME: Tensor, label_M: Tensor, prompt_KCE: Tensor, scale: Tensor) -> Tensor:
        """Return a non-negative scalar.

        Args:
            text_ME: Unit embeddings of the text set.
            label_M: int64, the class of each text.
            prompt_KCE: Unit embeddings of the class prompts, under each of K contexts.
            scale: 0-d, one over the temperature (already exponentiated).
        """
        logit_KMC = scale * similarity(text_ME, prompt_KCE)
        return F.cross_entropy(logit_KMC.flatten(0, 1), label_M.repeat(len(prompt_KCE)), reduction=self.reduction)


class PromptRanking(nn.Module):
    """Hinge that puts a text's own class prompt a margin above every other one; sum over the C - 1 others.

    Args:
        margin: By how much the cosine to the own class is to exceed the others, at least 0. Cosines differ by at
            most 2, so 1 (the paper) is a wide margin.
        reduction: Over texts and contexts: ``mean``, or ``sum`` as printed.

    Raises:
        LossSettingError: If ``margin`` is negative or ``reduction`` is neither.

    Reference: CLEP-DG, equation 2; Gong et al., "Deep Convolutional Ranking for Multilabel Image Annotation", 2013.
    """

    def __init__(self, margin: float = 1.0, reduction: Reduction = "mean") -> None:
        super().__init__()
        if not margin >= 0:
            raise LossSettingError(f"PromptRanking: margin is {margin}; expected 0 or more")
        self.margin = margin
        self.reduction = _checked(reduction)

    def forward(self, text_ME: Tensor, label_M: Tensor, prompt_KCE: Tensor) -> Tensor:
        """Return a scalar in [0, (C - 1)(margin + 2)] (mean); arguments as of `PromptCrossEntropy`."""
        cosine_KMC = similarity(text_ME, prompt_KCE)
        own_KM1 = cosine_KMC.gather(2, label_M[:, None].expand(len(prompt_KCE), -1, 1))
        other_MC = label_M[:, None] != torch.arange(cosine_KMC.shape[2], device=label_M.device)
        hinge_KM = ((self.margin - own_KM1 + cosine_KMC).relu() * other_MC).sum(2)
        return hinge_KM.mean() if self.reduction == "mean" else hinge_KM.sum()


def _checked(reduction: Reduction) -> Reduction:
    if reduction not in ("mean", "sum"):
        raise LossSettingError(f"reduction is {reduction!r}; expected 'mean' or 'sum'")
    return reduction
