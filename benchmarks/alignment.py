"""MMD and sliced W2 in trials: against the whole kernel in memory, and against a pass for each sample."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.timing import Row, compare
from stages.metrics.distances import median_bandwidth, mmd2, mmd2_of_samples, sliced_wasserstein

PROJECTIONS = 256

Pairwise = Callable[[Tensor, Tensor], float]


def run(
    small: tuple[int, int, int] = (1250, 10, 1000),
    large: tuple[int, int, int] = (6250, 30, 5000),
    width: int = 512,
    rounds: int = 3,
    large_rounds: int = 1,
) -> list[Row]:
    """Pairs in all, trials, and pairs in a trial, of a set whose kernel fits in memory and of the paper's trials.

    A pass for each sample is also what ours is in test sets so large that the passes cost less than the whole.
    """

    def sliced(x_NE: Tensor, y_NE: Tensor) -> float:
        return sliced_wasserstein(x_NE, y_NE, PROJECTIONS)

    in_memory = _compare(small, width, "whole kernel in memory", _literal_mmd2, _literal_sliced, rounds)
    return [in_memory, _compare(large, width, "a pass for each sample", mmd2, sliced, large_rounds)]


def require_equal(ours: Tensor, theirs: Tensor) -> None:
    """To the rounding of float32 in a difference of means of kernels, each about 0.6."""
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=2e-6)


def _compare(
    sizes: tuple[int, int, int],
    width: int,
    opponent: str,
    their_mmd2: Callable[..., float],
    their_sliced: Pairwise,
    rounds: int,
) -> Row:
    clips, trials, pairs = sizes
    draw = torch.Generator().manual_seed(0)
    audio_NE = F.normalize(torch.randn(clips, width, generator=draw) + 0.5, dim=1)
    text_NE = F.normalize(torch.randn(clips, width, generator=draw) + 0.55, dim=1)
    rows_TM = torch.stack([torch.randperm(clips, generator=draw)[:pairs] for _ in range(trials)])
    bandwidth = median_bandwidth(torch.cat([audio_NE, text_NE]))

    def ours() -> Tensor:
        mmd2_T = mmd2_of_samples(audio_NE, text_NE, rows_TM, bandwidth)
        sliced_T = [sliced_wasserstein(audio_NE[rows_M], text_NE[rows_M], PROJECTIONS) for rows_M in rows_TM]
        return torch.tensor([mmd2_T, sliced_T])

    def theirs() -> Tensor:
        samples = [(audio_NE[rows_M], text_NE[rows_M]) for rows_M in rows_TM]
        mmd2_T = [their_mmd2(audio_ME, text_ME, bandwidth) for audio_ME, text_ME in samples]
        return torch.tensor([mmd2_T, [their_sliced(audio_ME, text_ME) for audio_ME, text_ME in samples]])

    require_equal(ours(), theirs())
    return compare(f"MMD and sliced W2, {trials} x {pairs} of {clips} pairs", opponent, ours, theirs, rounds)


def _literal_mmd2(x_NE: Tensor, y_NE: Tensor, bandwidth: float) -> float:
    points_PE, n = torch.cat([x_NE, y_NE]), len(x_NE)
    kernel_PP = torch.exp(-torch.cdist(points_PE, points_PE).square() / (2 * bandwidth**2)).fill_diagonal_(0)
    within = kernel_PP[:n, :n].sum(dtype=torch.float64) + kernel_PP[n:, n:].sum(dtype=torch.float64)
    return float(within / (n * (n - 1)) - 2 * kernel_PP[:n, n:].mean(dtype=torch.float64))


def _literal_sliced(x_NE: Tensor, y_NE: Tensor) -> float:
    draw = torch.Generator().manual_seed(0)
    direction_EP = F.normalize(torch.randn(x_NE.shape[1], PROJECTIONS, generator=draw, dtype=torch.float64), dim=0)
    x_NP, y_NP = x_NE @ direction_EP.float(), y_NE @ direction_EP.float()
    return float((x_NP.sort(0).values - y_NP.sort(0).values).square().mean().sqrt())
