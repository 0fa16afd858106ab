"""A classifier that is trained on texts and used on clips: two layers in place of one."""

import torch.nn.functional as F
from torch import Tensor, nn


class TwoLayers(nn.Module):
    """Logits of a network with one hidden layer.

    Args:
        dim: Width of the shared space, E.
        classes: Number of classes, C.
        hidden: Width of the hidden layer.
    """

    score_unit = "logit"

    def __init__(self, dim: int, classes: int, hidden: int = 64) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(dim, hidden), nn.Linear(hidden, classes)

    def forward(self, embedding_NE: Tensor) -> Tensor:
        """Return the logits of unit embeddings, [N, C]."""
        return self.out(F.gelu(self.hidden(embedding_NE)))
