"""InfoNCE on the distinct captions, N x U logits, against the literal form, N x N."""

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.timing import Row, compare
from losses.batch import ContrastiveBatch
from losses.infonce import InfoNCE


def run(sizes: tuple[int, ...] = (64, 512, 4096), captions: int = 8, width: int = 512, rounds: int = 6) -> list[Row]:
    """Forward and backward, for each number of clips; values and gradients of both forms are shown to be equal."""
    return [_compare(clips, captions, width, rounds) for clips in sizes]


def require_equal(ours: list[Tensor], theirs: list[Tensor]) -> None:
    """The value and each gradient, to the rounding of float32 sums over the batch."""
    for left, right in zip(ours, theirs, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-4 * float(right.abs().max()))


def _compare(clips: int, captions: int, width: int, rounds: int) -> Row:
    draw = torch.Generator().manual_seed(0)
    audio_NE = F.normalize(torch.randn(clips, width, generator=draw), dim=-1).requires_grad_()
    text_UE = F.normalize(torch.randn(captions, width, generator=draw), dim=-1).requires_grad_()
    caption_N = torch.randint(captions, (clips,), generator=draw)
    scale = torch.tensor(14.3, requires_grad=True)
    loss, pairs, pair_N = InfoNCE(), ContrastiveBatch(audio_NE, text_UE, caption_N, scale), torch.arange(clips)

    def distinct() -> list[Tensor]:
        return _with_gradients(loss(pairs), audio_NE, text_UE, scale)

    def literal() -> list[Tensor]:
        logit_NN = scale * audio_NE @ text_UE[caption_N].T
        value = (F.cross_entropy(logit_NN, pair_N) + F.cross_entropy(logit_NN.T, pair_N)) / 2
        return _with_gradients(value, audio_NE, text_UE, scale)

    require_equal(distinct(), literal())
    return compare(f"InfoNCE, {clips} clips with {captions} captions: N x U", "N x N logits", distinct, literal, rounds)


def _with_gradients(value: Tensor, *inputs: Tensor) -> list[Tensor]:
    return [value.detach(), *torch.autograd.grad(value, inputs)]
