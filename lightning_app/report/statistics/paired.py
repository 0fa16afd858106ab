"""Paired comparison of two systems that were measured on the same units: runs, seeds, trials or lists."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ROUND = 12  # decimals, relative to the largest value: differences equal in mathematics are ties for the ranks


@dataclass(frozen=True)
class Paired:
    """The differences between two systems, first minus second.

    Args:
        difference: Their mean; NaN without a pair.
        low: Lower end of the 95 % bootstrap interval of the mean; NaN for fewer than two pairs.
        high: Upper end.
        n: Pairs in which both systems have a finite value.
        p_t: Two-sided p of the paired t-test. NaN for fewer than two pairs, and for differences that are all alike but
            not zero, which leave no spread to measure them by; 1 where all are zero.
        p_wilcoxon: Two-sided p of the signed-rank test; pairs without a difference are left out of the ranks. NaN for
            fewer than two pairs; 1 where all are zero.
    """

    difference: float
    low: float
    high: float
    n: int
    p_t: float
    p_wilcoxon: float


def paired(first: ArrayLike, second: ArrayLike, samples: int = 2000, seed: int = 0) -> Paired:
    """Compare two systems pair by pair; pairs with a value that is not finite are left out.

    The tests take pairs to be independent. Trials drawn from one test set, or lists put to one pool of clips, are not:
    their p-values are too small, and say only that the difference is no accident of the drawing.

    Args:
        first: Values of one system, [N].
        second: Values of the other in the same order, [N].
        samples: Resamples of the interval.
        seed: Seed of the resamples.
    """
    a_N, b_N = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    both = np.isfinite(a_N) & np.isfinite(b_N)
    a_N, b_N = a_N[both], b_N[both]
    n, nan = len(a_N), float("nan")
    if n < 2:
        return Paired(float((a_N - b_N).mean()) if n else nan, nan, nan, n, nan, nan)
    scale = max(np.abs(a_N).max(), np.abs(b_N).max()) or 1.0
    difference_N = np.round((a_N - b_N) / scale, _ROUND) * scale
    low, high = _interval(difference_N, samples, seed)
    return Paired(float((a_N - b_N).mean()), low, high, n, *_tests(difference_N))


def _interval(difference_N: NDArray[np.float64], samples: int, seed: int) -> tuple[float, float]:
    drawn = np.random.default_rng(seed).integers(len(difference_N), size=(samples, len(difference_N)))
    low, high = np.quantile(difference_N[drawn].mean(1), [0.025, 0.975])
    return float(low), float(high)


def _tests(difference_N: NDArray[np.float64]) -> tuple[float, float]:
    from scipy import stats

    if not difference_N.any():
        return 1.0, 1.0
    p_t = float("nan") if np.ptp(difference_N) == 0 else float(stats.ttest_1samp(difference_N, 0.0).pvalue)
    return p_t, float(stats.wilcoxon(difference_N).pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down correction: the chance of one false alarm or more in the family stays below the level.

    Args:
        p: The family's p-values; NaN stands for a test that could not be made, stays NaN and does not count.

    Reference: Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    values = np.asarray(p, dtype=float)
    order = np.argsort(values)[: np.count_nonzero(~np.isnan(values))]
    corrected = np.full(len(values), np.nan)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * np.arange(len(order), 0, -1)))
    return [float(value) for value in corrected]
