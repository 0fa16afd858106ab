"""Linear classifiers on unit embeddings, trained on texts and used on audio."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CosineClassifier(nn.Module):
    """Cosine of an embedding to each class's weight vector, in [-1, 1]; for ArcFace.

    Args:
        dim: Width of the embeddings, E.
        classes: Number of classes, C.

    Reference: Deng et al., "ArcFace", CVPR 2019 (weights normalised, no bias).
    """

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.weight_CE = nn.Parameter(nn.init.xavier_uniform_(torch.empty(classes, dim)))

    def forward(self, embedding_NE: Tensor) -> Tensor:
        """Return the cosines, [N, C]."""
        return F.linear(F.normalize(embedding_NE, dim=-1), F.normalize(self.weight_CE, dim=-1))


class LinearClassifier(nn.Linear):
    """Logits of a plain linear layer, [N, C]; for softmax cross-entropy.

    Args:
        dim: Width of the embeddings, E.
        classes: Number of classes, C.
    """

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__(dim, classes)
