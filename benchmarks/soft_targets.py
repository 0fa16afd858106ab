"""Soft targets as one difference of logarithms, against four softmax and four KL divergences."""

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.timing import Row, compare
from losses.batch import ContrastiveBatch
from losses.soft_targets import SoftTargets

GAMMA, BETA, TEMPERATURE = 0.5, 0.1, 0.2


def run(sizes: tuple[int, ...] = (32, 256, 1024), width: int = 512, rounds: int = 6) -> list[Row]:
    """Forward and backward, for each number of clips; values and gradients of both forms are shown to be equal."""
    return [_compare(clips, width, rounds) for clips in sizes]


def require_equal(ours: list[Tensor], theirs: list[Tensor]) -> None:
    """The value and each gradient, to the rounding of float32 sums over the batch."""
    for left, right in zip(ours, theirs, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-4 * float(right.abs().max()))


def _compare(clips: int, width: int, rounds: int) -> Row:
    draw = torch.Generator().manual_seed(0)
    audio_NE, text_NE, tag_NE, local_NL = (
        F.normalize(torch.randn(clips, width, generator=draw), dim=-1) for _ in range(4)
    )
    audio_NE.requires_grad_()
    text_NE.requires_grad_()
    scale = torch.tensor(14.3, requires_grad=True)
    pairs = ContrastiveBatch(audio_NE, text_NE, torch.arange(clips), scale, local_NL=local_NL, texts={"tags": tag_NE})
    loss = SoftTargets(GAMMA, BETA, TEMPERATURE, TEMPERATURE)

    def with_gradients(value: Tensor) -> list[Tensor]:
        return [value.detach(), *torch.autograd.grad(value, (audio_NE, text_NE, scale))]

    def ours() -> list[Tensor]:
        return with_gradients(loss(pairs))

    def literal() -> list[Tensor]:
        logit_NN = scale * audio_NE @ text_NE.T
        local_a2a = (local_NL @ local_NL.T / TEMPERATURE).softmax(1)
        text_t2t = (tag_NE @ tag_NE.T / TEMPERATURE).softmax(1)
        soft_NN = (1 - GAMMA) * local_a2a + GAMMA * text_t2t
        y_NN = (1 - BETA) * torch.eye(clips) + BETA * soft_NN
        terms = []
        for p_NN in (logit_NN.softmax(1), logit_NN.T.softmax(1)):
            terms.append(F.kl_div(p_NN.log(), y_NN, reduction="sum"))
            terms.append(F.kl_div(y_NN.log(), p_NN, reduction="sum"))
        return with_gradients(torch.stack(terms).sum() / (2 * clips))

    require_equal(ours(), literal())
    return compare(f"Soft targets, {clips} clips: logarithms", "4 softmax, 4 KL", ours, literal, rounds)
