import math

import pytest
import torch
from torch import Tensor

from models.audio.pooling import AttentiveStatistics, FirstFrame, MeanPooling, Pooling, make_pooling

NAMES = ("mean", "first", "attentive", "attentive_mean")
D = 5


def frames() -> tuple[Tensor, Tensor]:
    """Three clips of 4, 7 and 1 frames, in float64."""
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(3, 7, D, generator=generator, dtype=torch.float64)
    return hidden, torch.arange(7) < torch.tensor([[4], [7], [1]])


def made(name: str) -> Pooling:
    torch.manual_seed(1)
    return make_pooling(name, D).double()  # type: ignore[arg-type]


def reference(pooling: Pooling, clip: list[list[float]]) -> list[float]:
    """One clip without padding, in loops over plain numbers."""
    if isinstance(pooling, FirstFrame):
        return clip[0]
    if isinstance(pooling, MeanPooling):
        return [sum(frame[d] for frame in clip) / len(clip) for d in range(D)]
    assert isinstance(pooling, AttentiveStatistics)
    matrix, bias = pooling.linear.weight.tolist(), pooling.linear.bias.tolist()
    vector = [row[0] for row in pooling.attention.tolist()]
    scores = []
    for frame in clip:
        rows = zip(matrix, bias, strict=True)
        hidden = [math.tanh(sum(w * x for w, x in zip(row, frame, strict=True)) + b) for row, b in rows]
        scores.append(sum(v * h for v, h in zip(vector, hidden, strict=True)))
    total = sum(math.exp(score) for score in scores)
    weights = [math.exp(score) / total for score in scores]
    mean = [sum(w * frame[d] for w, frame in zip(weights, clip, strict=True)) for d in range(D)]
    # As the challenge's baseline writes the variance: the mean of squares less the square of the mean.
    second = [sum(w * frame[d] ** 2 for w, frame in zip(weights, clip, strict=True)) for d in range(D)]
    std = [math.sqrt(max(s - m * m, 1e-5)) for s, m in zip(second, mean, strict=True)]
    return mean + std if pooling.statistics == "both" else mean


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_equals_a_loop_over_numbers(name: str) -> None:
    pooling = made(name)
    hidden, mask = frames()
    pooled = pooling(hidden, mask)
    assert pooled.shape == (3, pooling.width)
    for clip, real, vector in zip(hidden, mask, pooled, strict=True):
        expected = torch.tensor(reference(pooling, clip[real].tolist()), dtype=torch.float64)
        torch.testing.assert_close(vector, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("junk", [100.0, math.nan, math.inf])
def test_padding_counts_for_nothing_in_value_and_gradient(name: str, junk: float) -> None:
    pooling = made(name)
    hidden, mask = frames()
    padded = hidden.masked_fill(~mask[..., None], junk).requires_grad_()
    pooled = pooling(padded, mask)
    assert torch.equal(pooled, pooling(hidden, mask))
    pooled.square().sum().backward()
    assert padded.grad is not None
    assert padded.grad[~mask].eq(0).all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in pooling.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_a_clip_without_frames_is_finite(name: str) -> None:
    hidden, mask = frames()
    assert made(name)(hidden, torch.zeros_like(mask)).isfinite().all()


@pytest.mark.parametrize("name", ["mean", "attentive", "attentive_mean"])
def test_order_of_frames_does_not_matter(name: str) -> None:
    pooling = made(name)
    hidden, _ = frames()
    everything = torch.ones(3, 7, dtype=torch.bool)
    backwards = pooling(hidden.flip(1), everything)
    torch.testing.assert_close(backwards, pooling(hidden, everything), atol=1e-12, rtol=0)


def test_widths() -> None:
    assert [make_pooling(name, D).width for name in NAMES] == [D, D, 2 * D, D]


def test_one_frame_repeated_has_the_floor_for_its_spread() -> None:
    hidden = torch.ones(1, 6, D, dtype=torch.float64, requires_grad=True)
    std = made("attentive")(hidden, torch.ones(1, 6, dtype=torch.bool))[0, D:]
    torch.testing.assert_close(std, torch.full_like(std, math.sqrt(1e-5)), atol=1e-12, rtol=0)
    std.sum().backward()
    assert hidden.grad is not None
    assert hidden.grad.isfinite().all()


def test_attention_follows_its_vector() -> None:
    """A frame that the attention cannot but choose is the mean, whatever the others are."""
    pooling = made("attentive_mean")
    assert isinstance(pooling, AttentiveStatistics)
    with torch.no_grad():
        pooling.linear.weight.copy_(torch.eye(D))
        pooling.linear.bias.zero_()
        pooling.attention.fill_(100.0)
    hidden, mask = frames()
    hidden[1, 3] = 2.0
    chosen = pooling(hidden[1:2].clamp(max=0.5).index_copy(1, torch.tensor([3]), hidden[1:2, 3:4]), mask[1:2])
    torch.testing.assert_close(chosen, hidden[1:2, 3], atol=1e-8, rtol=0)
