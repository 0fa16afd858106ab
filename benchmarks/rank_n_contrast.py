"""Rank-N-Contrast by sorting, against the N x N x N comparison and against a loop over positives."""

from collections.abc import Callable
from statistics import linear_regression, median
from time import perf_counter

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.memory import peak_bytes
from benchmarks.timing import Row, compare
from losses.batch import ContrastiveBatch
from losses.rank_n_contrast import RankNContrast

Terms = Callable[[Tensor, Tensor], Tensor]


def run(
    cube: tuple[int, ...] = (64, 256), loop: tuple[int, ...] = (64, 256, 1024), width: int = 512, rounds: int = 6
) -> list[Row]:
    """Forward and backward at each number of clips; values and gradients of all three are shown to be equal."""
    sizes = {"N x N x N": (by_cube, cube), "loop over N positives": (by_loop, loop)}
    return [
        _compare(clips, opponent, theirs, width, rounds)
        for opponent, (theirs, numbers) in sizes.items()
        for clips in numbers
    ]


def growth(sizes: tuple[int, ...] = (256, 512, 1024, 2048, 4096), width: int = 512, rounds: int = 3) -> list[str]:
    """How our time and memory grow with the number of clips: sentences for below the table."""
    times = [_seconds(clips, width, rounds) for clips in sizes]
    slope, _ = linear_regression(
        [torch.tensor(n).log().item() for n in sizes], [torch.tensor(t).log().item() for t in times]
    )
    ours, _, _ = _batch(sizes[-1], width)
    peak, square = peak_bytes(ours), 4 * sizes[-1] ** 2
    measured = ", ".join(f"{clips} clips {seconds * 1e3:.3g} ms" for clips, seconds in zip(sizes, times, strict=True))
    return [
        f"Rank-N-Contrast by sorting, forward and backward: {measured}; time grows as N^{slope:.2f}.",
        f"At {sizes[-1]} clips its tensors take {peak / 2**20:.0f} MiB at most, {peak / square:.1f} times the N x N "
        f"logits in float32; N x N x N floats would take {sizes[-1] * square / 2**30:.3g} GiB.",
    ]


def by_cube(logit_NN: Tensor, distance_NN: Tensor) -> Tensor:
    """All triples at once; contracting the comparison with the weights is its fastest form."""
    shifted_NN = logit_NN - logit_NN.detach().amax(1, keepdim=True)
    counts_NNN = (distance_NN[:, None, :] >= distance_NN[:, :, None]).to(logit_NN.dtype)
    sum_NN = torch.bmm(counts_NNN, shifted_NN.exp()[:, :, None])[:, :, 0]
    return (sum_NN.log() - shifted_NN).mean()


def by_loop(logit_NN: Tensor, distance_NN: Tensor) -> Tensor:
    """One positive after the other, for all anchors at once."""
    shifted_NN = logit_NN - logit_NN.detach().amax(1, keepdim=True)
    weight_NN, total = shifted_NN.exp(), logit_NN.new_zeros(())
    for positive in range(len(logit_NN)):
        counts_NN = (distance_NN >= distance_NN[:, positive, None]).to(logit_NN.dtype)
        total = total + ((counts_NN * weight_NN).sum(1).log() - shifted_NN[:, positive]).sum()
    return total / logit_NN.numel()


def require_equal(ours: list[Tensor], theirs: list[Tensor]) -> None:
    """The value and each gradient, to the rounding of float32 sums over the batch."""
    for left, right in zip(ours, theirs, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-4 * float(right.abs().max()))


def _compare(clips: int, opponent: str, theirs: Terms, width: int, rounds: int) -> Row:
    ours, other, distance_NN = _batch(clips, width)

    def plain() -> list[Tensor]:
        return other(lambda logit_NN: theirs(logit_NN, distance_NN()))

    require_equal(ours(), plain())
    return compare(f"Rank-N-Contrast, {clips} clips: sorted rows", opponent, ours, plain, rounds)


def _seconds(clips: int, width: int, rounds: int) -> float:
    ours, _, _ = _batch(clips, width)
    ours()
    times = []
    for _ in range(rounds):
        start = perf_counter()
        ours()
        times.append(perf_counter() - start)
    return median(times)


def _batch(
    clips: int, width: int
) -> tuple[Callable[[], list[Tensor]], Callable[[Callable[[Tensor], Tensor]], list[Tensor]], Callable[[], Tensor]]:
    """Return our loss with its gradients, the same of any function of the logits, and the distances, for one batch.

    Ratings are averages of five raters, so that there are ties.
    """
    draw = torch.Generator().manual_seed(0)
    audio_NE = F.normalize(torch.randn(clips, width, generator=draw), dim=-1).requires_grad_()
    text_NE = F.normalize(torch.randn(clips, width, generator=draw), dim=-1).requires_grad_()
    scale = torch.tensor(14.3, requires_grad=True)
    rating_NR = torch.randint(5, 36, (clips, 3), generator=draw) / 5
    pairs, loss = ContrastiveBatch(audio_NE, text_NE, torch.arange(clips), scale, rating_NR=rating_NR), RankNContrast()

    def with_gradients(value: Tensor) -> list[Tensor]:
        return [value.detach(), *torch.autograd.grad(value, (audio_NE, text_NE, scale))]

    def distance() -> Tensor:
        valence_N, arousal_N, _ = rating_NR.double().unbind(1)
        return ((valence_N[:, None] - valence_N).square() + (arousal_N[:, None] - arousal_N).square()).sqrt()

    return (
        lambda: with_gradients(loss(pairs)),
        lambda terms: with_gradients(terms(scale * audio_NE @ text_NE.T)),
        distance,
    )
