"""Projections into the shared space, and unit vectors and cosines there."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# A ReLU can leave a vector of zeros, which has no direction: it stays zero, and its gradient finite in any precision.
EPS = 1e-8


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

    An output of zeros is possible, so unit length needs a floor on the norm.

    Args:
        in_dim: Width of the tower.
        dim: Width of the shared space, E.
    """

    def __init__(self, in_dim: int, dim: int = 512) -> None:
        super().__init__(nn.Linear(in_dim, dim), nn.ReLU())


class LinearProjection(nn.Linear):
    """Linear map with a bias, so that embeddings have any direction.

    Args:
        in_dim: Width of the tower.
        dim: Width of the shared space, E.
    """

    def __init__(self, in_dim: int, dim: int = 512) -> None:
        super().__init__(in_dim, dim)


class ResidualProjection(nn.Module):
    """Linear map with a residual second one: the projection of msclap and ParaCLAP.

    Args:
        in_dim: Width of the tower.
        dim: Width of the shared space, E.
        dropout: Dropout on the second map.
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


def unit(x_NE: Tensor) -> Tensor:
    """Divide each row by its length: [..., E] -> [..., E]; rows shorter than 1e-8 stay as they are.

    Half-precision rows are widened first: in bfloat16, which has 8 bits, lengths would be off by 0.4 %, and most of
    the difference between two cosines near 1 would be lost. The result is float32, or float64 where the input is.
    """
    with torch.autocast(x_NE.device.type, enabled=False):
        x_NE = x_NE.to(torch.promote_types(x_NE.dtype, torch.float32))
        length_N1 = x_NE.norm(dim=-1, keepdim=True)
        unit_NE: Tensor = x_NE / length_N1.where(length_N1 > EPS, 1.0)
    return unit_NE


def similarity(x_NE: Tensor, y_ME: Tensor) -> Tensor:
    """Return the dot products [..., N, M] of rows; of unit rows, their cosines.

    Half-precision rows are widened, and autocast is off: one bfloat16 step near a cosine of 1 is 0.004, and ties would
    go to the first class. The result is float32, or float64 where an input is.
    """
    dtype = torch.promote_types(torch.promote_types(x_NE.dtype, y_ME.dtype), torch.float32)
    with torch.autocast(x_NE.device.type, enabled=False):
        return x_NE.to(dtype) @ y_ME.to(dtype).mT
