"""Objectives of acoustic context prompt tuning."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from losses.errors import LossSettingError, one_of
from losses.logits import similarity

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
        one_of("PromptCrossEntropy: reduction", reduction, ("mean", "sum"))
        self.reduction = reduction

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
    """Hinge loss with a margin between the true class prompt and each of the C - 1 others, whose terms are summed.

    Args:
        margin: Required difference between the cosine to the true class and those to the others, at least 0.
            Cosines differ by at most 2, so 1 (the paper) is a wide margin.
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
        one_of("PromptRanking: reduction", reduction, ("mean", "sum"))
        self.reduction = reduction

    def forward(self, text_ME: Tensor, label_M: Tensor, prompt_KCE: Tensor) -> Tensor:
        """Return a scalar in [0, (C - 1)(margin + 2)] (mean); arguments as of `PromptCrossEntropy`."""
        cosine_KMC = similarity(text_ME, prompt_KCE)
        true_KM1 = cosine_KMC.gather(2, label_M[:, None].expand(len(prompt_KCE), -1, 1))
        other_MC = label_M[:, None] != torch.arange(cosine_KMC.shape[2], device=label_M.device)
        hinge_KM = ((self.margin - true_KM1 + cosine_KMC).relu() * other_MC).sum(2)
        return hinge_KM.mean() if self.reduction == "mean" else hinge_KM.sum()


class ContextDiversity(nn.Module):
    """Mean absolute cosine over the pairs of contexts: 0 when all are orthogonal, 1 when all lie on one line.

    Reference: Cho et al., "PromptStyler: Prompt-driven Style Generation for Source-free Domain Generalization",
    ICCV 2023, equation 1, where vectors are learned one after another; here all pairs count at once.
    """

    def forward(self, context_KE: Tensor) -> Tensor:
        """Return a scalar in [0, 1], 0 for a single context.

        Args:
            context_KE: One feature per context, such as the mean of its class prompts' embeddings; of any length.
        """
        return _mean(_pairwise_cosine(context_KE).abs())


def mean_pairwise_cosine(x_KE: Tensor) -> Tensor:
    """Return the mean cosine, in [-1, 1], over the K(K - 1)/2 pairs of rows; 0 for a single row."""
    return _mean(_pairwise_cosine(x_KE))


def _pairwise_cosine(x_KE: Tensor) -> Tensor:
    """Return the cosines of the pairs k < l, as one vector."""
    unit_KE = F.normalize(x_KE.to(torch.promote_types(x_KE.dtype, torch.float32)), dim=1)
    row, column = torch.triu_indices(len(x_KE), len(x_KE), offset=1, device=x_KE.device)
    return similarity(unit_KE, unit_KE)[row, column]


def _mean(x: Tensor) -> Tensor:
    return x.sum() / max(len(x), 1)
