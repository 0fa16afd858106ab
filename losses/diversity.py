"""How alike contexts are: a number to report, and a loss that keeps them apart."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from losses.similarity import similarity


class ContextDiversity(nn.Module):
    """Mean absolute cosine over the pairs of contexts: 0 when all are orthogonal, 1 when all lie on one line.

    Reference: Cho et al., "PromptStyler: Prompt-driven Style Generation for Source-free Domain Generalization",
    ICCV 2023, equation 1, where vectors are learnt one after another; here all pairs count at once.
    """

    def forward(self, context_KE: Tensor) -> Tensor:
        """Return a scalar in [0, 1], 0 for a single context.

        Args:
            context_KE: One feature per context, for instance the mean of its class prompts' embeddings; of any
                length, for it is normalised here.
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
