from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from losses.batch import ContrastiveBatch
from losses.errors import LossSettingError
from losses.siglip import SigLip

CAPTION = {
    "distinct": [2, 0, 3, 1],
    "shared": [3, 0, 0, 0, 1, 3, 0],
    "one caption": [1, 1, 1],
    "two clips": [0, 3],
    "one clip": [2],
}


def unit(*shape: int, seed: int) -> Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return F.normalize(x, dim=-1)


def pairs_of(caption: list[int], seed: int = 0, scale: float = 7.3) -> ContrastiveBatch:
    return ContrastiveBatch(
        audio_NE=unit(len(caption), 5, seed=seed).requires_grad_(),
        text_UE=unit(4, 5, seed=seed + 1).requires_grad_(),
        caption_N=torch.tensor(caption),
        scale=torch.tensor(scale, dtype=torch.float64, requires_grad=True),
    )


def learnt(pairs: ContrastiveBatch, loss: SigLip) -> tuple[Tensor, ...]:
    return pairs.audio_NE, pairs.text_UE, pairs.scale, loss.bias


def literal(pairs: ContrastiveBatch, loss: SigLip) -> Tensor:
    """Section 3.2 term by term, one caption per clip."""
    caption, n = pairs.caption_N.tolist(), len(pairs.audio_NE)
    total = torch.zeros((), dtype=torch.float64)
    for i in range(n):
        for j in range(n):
            same = caption[i] == caption[j] if loss.duplicates == "positive" else i == j
            logit = pairs.scale * (pairs.audio_NE[i] @ pairs.text_UE[caption[j]]) + loss.bias
            total = total - torch.log(1 / (1 + torch.exp(-logit if same else logit)))
    return total / n


@pytest.mark.parametrize("caption", CAPTION.values(), ids=CAPTION)
@pytest.mark.parametrize("duplicates", ["positive", "negative"])
@pytest.mark.parametrize("bias", [-10.0, 0.5])
def test_equals_the_printed_sum_in_value_and_gradients(bias, duplicates, caption):
    pairs, loss = pairs_of(caption), SigLip(duplicates, bias).double()
    ours, theirs = loss(pairs), literal(pairs, loss)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-10)
    both = (torch.autograd.grad(value, learnt(pairs, loss)) for value in (ours, theirs))
    for left, right in zip(*both, strict=True):
        torch.testing.assert_close(left, right, rtol=0, atol=1e-10)


@pytest.mark.parametrize("duplicates", ["positive", "negative"])
@pytest.mark.parametrize("rounding", [0.0, 1e-7])
def test_a_caption_that_stands_in_the_table_twice_is_one_caption(duplicates, rounding):
    """As it does once the tables of several ranks are joined, where the last bit may differ."""
    pairs, loss = pairs_of(CAPTION["shared"]), SigLip(duplicates).double()
    copies = replace(
        pairs, text_UE=pairs.text_NE * (1 + rounding * torch.arange(7)[:, None]), caption_N=torch.arange(7)
    )
    assert loss(copies).item() == pytest.approx(loss(pairs).item(), abs=1e-12 + 100 * rounding)
    assert len({SigLip(d)(pairs).item() for d in ("positive", "negative")}) == 2


@settings(deadline=None, max_examples=40)
@given(caption=st.lists(st.integers(0, 3), min_size=1, max_size=9), seed=st.integers(0, 2**31), shuffle=st.randoms())
def test_order_of_clips_and_of_captions_is_irrelevant(caption, seed, shuffle):
    pairs, loss = pairs_of(caption, seed=seed), SigLip()
    clips, table = list(range(len(caption))), list(range(4))
    shuffle.shuffle(clips)
    shuffle.shuffle(table)
    mixed = replace(
        pairs,
        audio_NE=pairs.audio_NE[clips],
        text_UE=pairs.text_UE[table],
        caption_N=torch.tensor(table).argsort()[pairs.caption_N][clips],
    )
    value = loss(pairs)
    assert loss(mixed).item() == pytest.approx(value.item(), abs=1e-10)
    assert value.item() >= 0
    assert all(g.isfinite().all() for g in torch.autograd.grad(value, learnt(pairs, loss)))


@pytest.mark.parametrize("scale", [0.0, 0.01, 1.0, 100.0, 1e4])
def test_gradients_are_finite_at_the_extremes(scale):
    axis = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    pairs = ContrastiveBatch(
        axis.clone().requires_grad_(),
        axis.clone().requires_grad_(),
        torch.tensor([0, 0, 1, 3]),
        torch.tensor(scale, requires_grad=True),
    )
    loss = SigLip()
    value = loss(pairs)
    assert value.isfinite()
    assert all(g.isfinite().all() for g in torch.autograd.grad(value, learnt(pairs, loss)))


# Error relative to float64 on the unrounded embeddings, at a scale of 20; what is left is the rounding of the inputs.
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float16, 1e-3), (torch.bfloat16, 1e-2)])
def test_precision(dtype, tolerance):
    exact = ContrastiveBatch(
        unit(64, 32, seed=5), unit(8, 32, seed=6), torch.arange(64) % 8, torch.tensor(20.0).double()
    )
    rounded = replace(
        exact, audio_NE=exact.audio_NE.to(dtype), text_UE=exact.text_UE.to(dtype), scale=torch.tensor(20.0)
    )
    value = SigLip()(rounded)
    assert value.dtype is torch.float32
    assert value.item() == pytest.approx(SigLip().double()(exact).item(), rel=tolerance)


def test_the_bias_is_learnt_and_duplicates_are_checked():
    assert [name for name, _ in SigLip().named_parameters()] == ["bias"]
    with pytest.raises(LossSettingError, match="duplicates is 'none'; expected 'positive' or 'negative'"):
        SigLip("none")
