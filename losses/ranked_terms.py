"""Rank-N-Contrast in O(N^2 log N): N^2 terms and their denominators, from one sort per row."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

# Within this many nats of its row's largest, the exponential of a logit is a normal float64.
EXPONENTIAL_RANGE = 600


@dataclass(frozen=True)
class Ranking:
    """Order of an anchor's candidates, by the distance of their ratings from the anchor's.

    Attributes:
        distance: Norm of the difference of ratings.
        strict: Whether only candidates that are farther than a positive are its negatives; else the positive, and
            all that are as far, are in the denominator too.
        tie_eps: Distances that differ by no more are ties.
        block_rows: Anchors that are ranked at once.
    """

    distance: Literal["l2", "l1"]
    strict: bool
    tie_eps: float
    block_rows: int

    def sorted(self, anchor_BR: Tensor, rating_NR: Tensor) -> tuple[Tensor, Tensor]:
        """Return the candidates from near to far, and the index where each one's denominator starts: int64 [B, N].

        A denominator ends at the farthest candidate; one that starts at N is empty.
        """
        distance_BN = self._distance(anchor_BR, rating_NR)
        order_BN = _order(distance_BN)
        distance_BN = distance_BN.gather(1, order_BN)
        if self.strict:
            return order_BN, torch.searchsorted(distance_BN, distance_BN + self.tie_eps, right=True)
        if self.tie_eps > 0:
            return order_BN, torch.searchsorted(distance_BN, distance_BN - self.tie_eps)
        # Ties are adjacent, and the last index where the distance changed is cheaper than a search.
        index_BN = torch.arange(distance_BN.shape[1], device=distance_BN.device).repeat(len(distance_BN), 1)
        index_BN[:, 1:] *= distance_BN[:, 1:] != distance_BN[:, :-1]
        return order_BN, index_BN.cummax(1).values

    def _distance(self, anchor_BR: Tensor, rating_NR: Tensor) -> Tensor:
        # Pair by pair, without products of matrices, so that equal ratings have equal distances.
        differences = [a_B[:, None] - b_N for a_B, b_N in zip(anchor_BR.T, rating_NR.T, strict=True)]
        if self.distance == "l1":
            return torch.stack([difference_BN.abs_() for difference_BN in differences]).sum(0)
        return torch.stack([difference_BN.square_() for difference_BN in differences]).sum(0).sqrt_()


def _order(distance_BN: Tensor) -> Tensor:
    # Which of two ties comes first does not matter, and of unstable sorts numpy's is the fastest on a CPU.
    if distance_BN.device.type == "cpu":
        return torch.from_numpy(np.argsort(distance_BN.numpy(), axis=1))
    return distance_BN.argsort(1)


def ranked_terms(logit_NN: Tensor, rating_NR: Tensor, ranking: Ranking) -> tuple[Tensor, Tensor]:
    """Sum the N^2 terms ``log sum_{k in S_ij} exp(logit_ik) - logit_ij`` with a non-empty S_ij.

    It costs O(N^2 log N) time, O(N^2) memory for one gradient of the logits, and O(block_rows N) besides.

    Args:
        logit_NN: Logits of anchors (rows) and candidates (columns).
        rating_NR: float64, ratings of both; anchor i and candidate i have the same.
        ranking: Which candidates are in S_ij.

    Returns:
        The sum, and its number of terms.
    """
    total, count = _RankedTerms.apply(logit_NN, rating_NR, ranking)  # type: ignore[no-untyped-call]
    return total, count


class _RankedTerms(torch.autograd.Function):
    """Sum of terms; its gradient is computed along with the value, while a row's order is at hand."""

    @staticmethod
    def forward(ctx: Any, logit_NN: Tensor, rating_NR: Tensor, ranking: Ranking) -> tuple[Tensor, Tensor]:
        contrast = _contrast if _range(logit_NN) < EXPONENTIAL_RANGE else _contrast_of_logs
        total = torch.zeros((), dtype=torch.float64, device=logit_NN.device)
        count = torch.zeros((), dtype=torch.int64, device=logit_NN.device)
        gradient_NN = torch.empty_like(logit_NN) if ctx.needs_input_grad[0] else None
        for start in range(0, len(logit_NN), ranking.block_rows):
            rows = slice(start, start + ranking.block_rows)
            order_BN, start_BN = ranking.sorted(rating_NR[rows], rating_NR)
            valid_BN = start_BN < len(logit_NN)
            term_BN, slope_BN = contrast(logit_NN[rows].gather(1, order_BN).double(), start_BN, valid_BN)
            total += term_BN.sum()
            count += valid_BN.sum()
            if gradient_NN is not None:
                gradient_NN[rows].scatter_(1, order_BN, slope_BN.to(logit_NN.dtype))
        ctx.save_for_backward(gradient_NN)
        ctx.mark_non_differentiable(count)
        return total.to(logit_NN.dtype), count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor, _: Tensor) -> tuple[Tensor, None, None]:
        (gradient_NN,) = ctx.saved_tensors
        return upstream * gradient_NN, None, None


def _range(logit_NN: Tensor) -> float:
    if logit_NN.numel() == 0:
        return 0.0
    low, high = logit_NN.aminmax()
    return float(high - low)


def _contrast(logit_BN: Tensor, start_BN: Tensor, valid_BN: Tensor) -> tuple[Tensor, Tensor]:
    """Return each candidate's term, and the slope of the row's sum of terms along its logit.

    Args:
        logit_BN: float64, logits of candidates from near to far.
        start_BN: Where each one's denominator starts, non-decreasing along the row.
        valid_BN: Whether the denominator has any candidate.
    """
    top_B1 = logit_BN.amax(1, keepdim=True)
    weight_BN = (logit_BN - top_B1).exp_()
    valid_BN = valid_BN.to(logit_BN.dtype)
    first_BN = start_BN.clamp(max=start_BN.shape[1] - 1)
    sum_BN = weight_BN.flip(1).cumsum(1).flip(1).gather(1, first_BN)
    # A candidate's weight counts in every denominator that starts at it or nearer.
    counted_BN = torch.zeros_like(sum_BN).scatter_add_(1, first_BN, valid_BN / sum_BN).cumsum(1)
    term_BN = (sum_BN.log_() + (top_B1 - logit_BN)).mul_(valid_BN)
    return term_BN, weight_BN.mul_(counted_BN).sub_(valid_BN)


def _contrast_of_logs(logit_BN: Tensor, start_BN: Tensor, valid_BN: Tensor) -> tuple[Tensor, Tensor]:
    """Compute ``_contrast`` for logits of any range, at several times the cost."""
    length = start_BN.shape[1]
    sum_BN = logit_BN.flip(1).logcumsumexp(1).flip(1).gather(1, start_BN.clamp(max=length - 1))
    # Starts never decrease, so the denominators that include a candidate are a prefix, of this length.
    index_BN = torch.arange(length, device=start_BN.device).repeat(len(start_BN), 1)
    starts_BN = torch.searchsorted(start_BN, index_BN, right=True)
    counted_BN = F.pad((-sum_BN).logcumsumexp(1), (1, 0), value=-torch.inf).gather(1, starts_BN)
    return (sum_BN - logit_BN) * valid_BN, (logit_BN + counted_BN).exp_() - valid_BN.to(logit_BN.dtype)
