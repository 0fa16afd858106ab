"""Rank correlation, in which equal values share their place."""

from typing import Literal

import torch
from torch import Tensor


def kendall_tau(x_LK: Tensor, y_LK: Tensor, variant: Literal["a", "b"] = "b") -> Tensor:
    """Kendall's tau of each of L lists of K values, float64 [L], in [-1, 1]; O(L K^2).

    Tau-a divides by all pairs, tau-b by the geometric mean of the pairs that differ in x and those that differ in y.
    Both are NaN where x or y is constant, as there is no order to agree with.
    """
    sign_x_LKK, sign_y_LKK = (torch.sign(v_LK[:, :, None] - v_LK[:, None, :]).double() for v_LK in (x_LK, y_LK))
    differ_x_L, differ_y_L = (sign_LKK.square().sum((1, 2)) for sign_LKK in (sign_x_LKK, sign_y_LKK))
    pairs = x_LK.shape[1] * (x_LK.shape[1] - 1)
    whole_L = (differ_x_L * differ_y_L).sqrt() if variant == "b" else torch.full_like(differ_x_L, pairs)
    defined_L = (differ_x_L > 0) & (differ_y_L > 0)
    return torch.where(defined_L, (sign_x_LKK * sign_y_LKK).sum((1, 2)) / whole_L, torch.nan)


def spearman_rho(x_N: Tensor, y_N: Tensor) -> float:
    """Spearman's rho of N pairs, in [-1, 1]; NaN where x or y is constant; O(N log N)."""
    x_N, y_N = (_mean_rank(v_N) for v_N in (x_N, y_N))
    x_N, y_N = x_N - x_N.mean(), y_N - y_N.mean()
    whole = (x_N.square().sum() * y_N.square().sum()).sqrt()
    return float((x_N * y_N).sum() / whole) if whole > 0 else float("nan")


def _mean_rank(values_N: Tensor) -> Tensor:
    """Places from 1 to N, float64; equal values have the mean of theirs."""
    _, place_N, count_U = torch.unique(values_N, return_inverse=True, return_counts=True)
    rank_U: Tensor = count_U.cumsum(0) - (count_U.double() - 1) / 2
    return rank_U[place_N]
