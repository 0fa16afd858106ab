"""Distances of two clouds of points: maximum mean discrepancy (MMD), Wasserstein distances, gap of the centroids.

Clouds are float32 or float64, x [N, E] and y [M, E], all points with equal weight. With fewer than two points in
either, a value is NaN. The scales differ: projections and single dimensions show about 1 / sqrt(E) of a distance.

Reference: Gretton et al., "A Kernel Two-Sample Test", JMLR 2012, equation 3.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from stages.errors import optional_module

BLOCK = 512
SUBSAMPLE = 2000


def mmd2(x_NE: Tensor, y_ME: Tensor, bandwidth: float | Sequence[float] | None = None) -> float:
    """Return the unbiased squared MMD with the kernel exp(-d^2 / (2 s^2)), about 0 for one distribution, at most 2.

    Time is O((N + M)^2 E), half of it saved by symmetry; memory is O(N + M).

    Args:
        x_NE: The first cloud.
        y_ME: The second.
        bandwidth: s; of several, the kernels are averaged. None is ``median_bandwidth`` of both clouds together.
    """
    if min(len(x_NE), len(y_ME)) < 2:
        return float("nan")
    in_x_N1, in_y_M1 = (points.new_ones(len(points), 1) for points in (x_NE, y_ME))
    return _mmd2(x_NE, y_ME, in_x_N1, in_y_M1, _bandwidths(x_NE, y_ME, bandwidth))[0]


def mmd2_of_samples(
    x_NE: Tensor, y_NE: Tensor, rows_TM: Tensor, bandwidth: float | Sequence[float] | None = None
) -> list[float]:
    """Return ``mmd2`` of T samples of M pairs each, in one pass over the kernel where that costs less than T passes.

    Args:
        x_NE: The first cloud.
        y_NE: The second, row by row the first's partners.
        rows_TM: The rows of each sample.
        bandwidth: As in ``mmd2``; None is ``median_bandwidth`` of all rows of both, one for all samples.
    """
    trials, size = rows_TM.shape
    if size < 2:
        return [float("nan")] * trials
    bandwidths = _bandwidths(x_NE, y_NE, bandwidth)
    if len(x_NE) ** 2 > trials * size**2:
        return [mmd2(x_NE[rows_M], y_NE[rows_M], bandwidths) for rows_M in rows_TM]
    member_NT = x_NE.new_zeros(len(x_NE), trials)
    member_NT.scatter_add_(0, rows_TM.T, torch.ones_like(rows_TM.T, dtype=x_NE.dtype))
    return _mmd2(x_NE, y_NE, member_NT, member_NT, bandwidths)


def median_bandwidth(points_NE: Tensor, seed: int = 0) -> float:
    """Return the median distance of two points, from a sample of 2,000 points where there are more.

    If more than half of the distances are 0 it is their mean, and 1 if all are.
    """
    if len(points_NE) > SUBSAMPLE:
        order_N = torch.randperm(len(points_NE), generator=torch.Generator().manual_seed(seed))
        points_NE = points_NE[order_N[:SUBSAMPLE].to(points_NE.device)]
    distances = torch.pdist(points_NE)
    if not len(distances):
        return 1.0
    return float(distances.quantile(0.5)) or float(distances.mean()) or 1.0


def centroid_gap(x_NE: Tensor, y_ME: Tensor) -> float:
    """Return the distance of the two means, 0 to 2 for unit vectors."""
    if min(len(x_NE), len(y_ME)) < 2:
        return float("nan")
    return float((x_NE.mean(0) - y_ME.mean(0)).norm())


def sliced_wasserstein(x_NE: Tensor, y_ME: Tensor, projections: int = 256, seed: int = 0) -> float:
    """Return sliced W2: the root of the mean squared W2 of projections on random directions, drawn from the seed.

    Reference: Bonneel et al., "Sliced and Radon Wasserstein Barycenters of Measures", JMIV 2015.
    """
    draw = torch.Generator().manual_seed(seed)
    direction_EP = torch.randn(x_NE.shape[1], projections, generator=draw, dtype=torch.float64)
    direction_EP = (direction_EP / direction_EP.norm(dim=0)).to(x_NE)
    return float(_column_costs(x_NE @ direction_EP, y_ME @ direction_EP, power=2).mean().sqrt())


def dimension_wasserstein(x_NE: Tensor, y_ME: Tensor) -> float:
    """Return the W1 of single dimensions, averaged over the E dimensions."""
    return float(_column_costs(x_NE, y_ME, power=1).mean())


def exact_wasserstein(x_NE: Tensor, y_ME: Tensor) -> float:
    """Return W2 with Euclidean distances, by optimal transport; time grows with about the cube of N.

    Raises:
        MissingExtra: If POT is not installed.
    """
    ot = optional_module("ot", "POT (MIT)", "the exact Wasserstein distance")
    if min(len(x_NE), len(y_ME)) < 2:
        return float("nan")
    cost_NM = torch.cdist(x_NE.double(), y_ME.double(), compute_mode="donot_use_mm_for_euclid_dist").square()
    return math.sqrt(ot.emd2([], [], cost_NM.cpu().numpy(), numItermax=10_000_000))


def _bandwidths(x_NE: Tensor, y_ME: Tensor, bandwidth: float | Sequence[float] | None) -> list[float]:
    if bandwidth is None:
        return [median_bandwidth(torch.cat([x_NE, y_ME]))]
    return [bandwidth] if isinstance(bandwidth, float | int) else list(bandwidth)


def _mmd2(x_NE: Tensor, y_ME: Tensor, in_x_NT: Tensor, in_y_MT: Tensor, bandwidths: list[float]) -> list[float]:
    """Return MMD^2 for each of T samples; ``in_x`` and ``in_y`` count how often a row is in a sample."""
    # Centering changes no distance, and saves digits in |x|^2 + |y|^2 - 2 x y.
    centre_E = torch.cat([x_NE, y_ME]).mean(0)
    x_NE, y_ME = x_NE - centre_E, y_ME - centre_E
    n_T = in_x_NT.sum(0, dtype=torch.float64)
    m_T = in_y_MT.sum(0, dtype=torch.float64)
    within_x_T = _sums_within(x_NE, in_x_NT, bandwidths) / (n_T * (n_T - 1))
    within_y_T = _sums_within(y_ME, in_y_MT, bandwidths) / (m_T * (m_T - 1))
    between_T = _sums_between(x_NE, y_ME, in_x_NT, in_y_MT, bandwidths) / (n_T * m_T)
    return [float(value) for value in within_x_T + within_y_T - 2 * between_T]


def _sums_between(x_NE: Tensor, y_ME: Tensor, in_x_NT: Tensor, in_y_MT: Tensor, bandwidths: list[float]) -> Tensor:
    sums_T = in_x_NT.new_zeros(in_x_NT.shape[1], dtype=torch.float64)
    for x_BE, in_x_BT in zip(torch.split(x_NE, BLOCK), torch.split(in_x_NT, BLOCK), strict=True):
        sums_T += (in_x_BT * (_kernel(x_BE, y_ME, bandwidths) @ in_y_MT)).sum(0, dtype=torch.float64)
    return sums_T


def _sums_within(x_NE: Tensor, in_x_NT: Tensor, bandwidths: list[float]) -> Tensor:
    """Sum over all pairs but those of a point with itself, from the upper half of the kernel's blocks."""
    sums_T = -in_x_NT.sum(0, dtype=torch.float64)
    for start in range(0, len(x_NE), BLOCK):
        x_BE = x_NE[start : start + BLOCK]
        in_x_BT = in_x_NT[start : start + BLOCK]
        # Blocks to the right of the diagonal one are also below it.
        weight_RT = torch.cat([in_x_BT, 2 * in_x_NT[start + BLOCK :]])
        sums_T += (in_x_BT * (_kernel(x_BE, x_NE[start:], bandwidths) @ weight_RT)).sum(0, dtype=torch.float64)
    return sums_T


def _kernel(x_BE: Tensor, y_ME: Tensor, bandwidths: list[float]) -> Tensor:
    half_x_B, half_y_M = x_BE.square().sum(1) / 2, y_ME.square().sum(1) / 2
    exponent_BM = torch.addmm(-half_y_M, x_BE, y_ME.T).sub_(half_x_B[:, None])
    if len(bandwidths) == 1:
        return exponent_BM.mul_(bandwidths[0] ** -2).exp_()
    return torch.stack([(exponent_BM * s**-2).exp_() for s in bandwidths]).mean(0)


def _column_costs(x_NE: Tensor, y_ME: Tensor, power: int) -> Tensor:
    """Return W_p^p of each column, [E]: the p-th power of the difference of quantiles, integrated over all levels."""
    n, m = len(x_NE), len(y_ME)
    if min(n, m) < 2:
        return x_NE.new_full((x_NE.shape[1],), float("nan"))
    x_EN = _sorted_columns(x_NE)
    y_EM = _sorted_columns(y_ME)
    if n == m:
        return (x_EN - y_EM).abs_().pow_(power).mean(1)
    # Quantiles step at multiples of 1 / n and 1 / m; counted in units of 1 / (n m), the levels are whole numbers.
    step_K = torch.unique(torch.cat([torch.arange(1, n + 1) * m, torch.arange(1, m + 1) * n]))
    share_K = (torch.diff(step_K, prepend=step_K.new_zeros(1)).double() / (n * m)).to(x_NE)
    row_x_K = ((step_K - 1) // m).to(x_NE.device)
    row_y_K = ((step_K - 1) // n).to(x_NE.device)
    return (x_EN[:, row_x_K] - y_EM[:, row_y_K]).abs_().pow_(power) @ share_K


def _sorted_columns(x_NE: Tensor) -> Tensor:
    """Sort each column in ascending order; columns become rows, [E, N]."""
    x_EN = x_NE.detach().T.contiguous()
    if x_EN.device.type == "cpu":
        # NumPy sorts values with vector instructions; torch sorts indices along, which takes several times as long.
        return torch.from_numpy(np.sort(x_EN.numpy(), axis=1))
    return x_EN.sort(1).values
