"""Wasserstein distances of two clouds of points: of one-dimensional views, sorted, and of the whole by transport.

Clouds are float32 or float64, x [N, E] and y [M, E], every point with equal weight. With fewer than two points in
either, a value is NaN. The scales differ: projections and single dimensions see about 1 / sqrt(E) of a distance.
"""

import math

import numpy as np
import torch
from torch import Tensor

from stages.errors import optional_module


def sliced_wasserstein(x_NE: Tensor, y_ME: Tensor, projections: int = 256, seed: int = 0) -> float:
    """Sliced W2: the root of the mean squared W2 of projections on random directions, the same for the same seed.

    Reference: Bonneel et al., "Sliced and Radon Wasserstein Barycenters of Measures", JMIV 2015.
    """
    draw = torch.Generator().manual_seed(seed)
    direction_EP = torch.randn(x_NE.shape[1], projections, generator=draw, dtype=torch.float64)
    direction_EP = (direction_EP / direction_EP.norm(dim=0)).to(x_NE)
    return float(_column_costs(x_NE @ direction_EP, y_ME @ direction_EP, power=2).mean().sqrt())


def dimension_wasserstein(x_NE: Tensor, y_ME: Tensor) -> float:
    """W1 of each dimension by itself, averaged over the E dimensions."""
    return float(_column_costs(x_NE, y_ME, power=1).mean())


def exact_wasserstein(x_NE: Tensor, y_ME: Tensor) -> float:
    """W2 with Euclidean distances, by optimal transport; time grows with about the cube of N.

    Raises:
        MissingExtra: If POT is not installed.
    """
    ot = optional_module("ot", "POT (MIT)", "the exact Wasserstein distance")
    if min(len(x_NE), len(y_ME)) < 2:
        return float("nan")
    cost_NM = torch.cdist(x_NE.double(), y_ME.double(), compute_mode="donot_use_mm_for_euclid_dist").square()
    return math.sqrt(ot.emd2([], [], cost_NM.cpu().numpy(), numItermax=10_000_000))


def _column_costs(x_NE: Tensor, y_ME: Tensor, power: int) -> Tensor:
    """W_p^p of each column, [E]: the p-th power of the gap of the quantiles, integrated over all levels."""
    n, m = len(x_NE), len(y_ME)
    if min(n, m) < 2:
        return x_NE.new_full((x_NE.shape[1],), float("nan"))
    x_EN, y_EM = _sorted_columns(x_NE), _sorted_columns(y_ME)
    if n == m:
        return (x_EN - y_EM).abs_().pow_(power).mean(1)
    # Quantiles step at multiples of 1 / n and 1 / m; counted in units of 1 / (n m), the levels are whole numbers.
    step_K = torch.unique(torch.cat([torch.arange(1, n + 1) * m, torch.arange(1, m + 1) * n]))
    share_K = (torch.diff(step_K, prepend=step_K.new_zeros(1)).double() / (n * m)).to(x_NE)
    row_x_K, row_y_K = ((step_K - 1) // m).to(x_NE.device), ((step_K - 1) // n).to(x_NE.device)
    return (x_EN[:, row_x_K] - y_EM[:, row_y_K]).abs_().pow_(power) @ share_K


def _sorted_columns(x_NE: Tensor) -> Tensor:
    """Each column in ascending order, as rows: [E, N]."""
    x_EN = x_NE.detach().T.contiguous()
    # NumPy sorts values with vector instructions; torch carries indices along, which takes several times as long.
    return torch.from_numpy(np.sort(x_EN.numpy(), axis=1)) if x_EN.device.type == "cpu" else x_EN.sort(1).values
