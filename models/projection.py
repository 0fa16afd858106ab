"""From a tower's width to the space that audio and text share."""

import torch.nn.functional as F
from torch import Tensor, nn


class MlpProjection(nn.Sequential):
    """Linear, ReLU, linear: LAION-CLAP's projection.

    Args:
        in_dim: Width of the tower.
        dim: Width of the shared space, E.
    """

    def __init__(self, in_dim: int, dim: int = 512) -> None:
        super().__init__(nn.Linear(in_dim, dim), nn.ReLU(), nn.Linear(dim, dim))


class LinearReluProjection(nn.Sequential):
    """Linear, ReLU: EmotionRankCLAP's projection (section 3), whose embeddings are never negative.

    A vector that is zero throughout is possible, so unit length needs a floor on the norm.

    Args:
        in_dim: Width of the tower.
        dim: Width of the shared space, E.
    """

    def __init__(self, in_dim: int, dim: int = 512) -> None:
        super().__init__(nn.Linear(in_dim, dim), nn.ReLU())


class LinearProjection(nn.Linear):
    """A linear map with a bias, so that embeddings point anywhere.

    Args:
        in_dim: Width of the tower.
        dim: Width of the shared space, E.
    """

    def __init__(self, in_dim: int, dim: int = 512) -> None:
        super().__init__(in_dim, dim)


class ResidualProjection(nn.Module):
    """A linear map, and a second one added to it: the projection of msclap and ParaCLAP.

    Args:
        in_dim: Width of the tower.
        dim: Width of the shared space, E.
        dropout: On the second map.
    """

    def __init__(self, in_dim: int, dim: int = 1024, dropout: float = 0.5) -> None:
        super().__init__()
        self.linear1 = nn.Linear(in_dim, dim, bias=False)
        self.linear2 = nn.Linear(dim, dim, bias=False)
        self.layer_norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_ND: Tensor) -> Tensor:
        """Project [N, D] -> [N, E]; not normalised to unit length."""
        first_NE = self.linear1(x_ND)
        sum_NE: Tensor = self.layer_norm(first_NE + self.dropout(self.linear2(F.gelu(first_NE))))
        return sum_NE
