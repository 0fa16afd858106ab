"""Linear classifiers on unit embeddings, trained on texts and used on audio.

Scores are float32 whatever the precision: rounded to bfloat16, two classes would often tie.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.projection import unit


class CosineClassifier(nn.Module):
    """Cosine of an embedding to each class's weight vector, in [-1, 1]; for ArcFace.

    Args:
        dim: Width of the embeddings, E.
        classes: Number of classes, C.

    Reference: Deng et al., "ArcFace", CVPR 2019 (weights normalised, no bias).
    """

    score_unit = "cosine"

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.weight_CE = nn.Parameter(nn.init.xavier_uniform_(torch.empty(classes, dim)))

    def forward(self, embedding_NE: Tensor) -> Tensor:
        """Return the cosines, [N, C]."""
        with torch.autocast(embedding_NE.device.type, enabled=False):
            return F.linear(unit(embedding_NE), unit(self.weight_CE))


class LinearClassifier(nn.Linear):
    """Logits of a plain linear layer, [N, C]; for softmax cross-entropy.

    Args:
        dim: Width of the embeddings, E.
        classes: Number of classes, C.
    """

    score_unit = "logit"

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__(dim, classes)

    def forward(self, embedding_NE: Tensor) -> Tensor:
        """Return the logits, [N, C]."""
        dtype = torch.promote_types(torch.promote_types(embedding_NE.dtype, self.weight.dtype), torch.float32)
        with torch.autocast(embedding_NE.device.type, enabled=False):
            return F.linear(embedding_NE.to(dtype), self.weight.to(dtype), self.bias.to(dtype))
