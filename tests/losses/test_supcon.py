from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from losses.batch import ContrastiveBatch
from losses.errors import LossInputError, LossSettingError
from losses.infonce import InfoNCE
from losses.supcon import SupCon


def unit(*shape: int, seed: int) -> Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return F.normalize(x, dim=-1)


def pairs_of(caption: list[int], label: list[int], seed: int = 0, scale: float = 7.3) -> ContrastiveBatch:
    return ContrastiveBatch(
        audio_NE=unit(len(caption), 5, seed=seed).requires_grad_(),
        text_UE=unit(7, 5, seed=seed + 1).requires_grad_(),
        caption_N=torch.tensor(caption),
        scale=torch.tensor(scale, dtype=torch.float64, requires_grad=True),
        label_N=torch.tensor(label),
    )


def learnt(pairs: ContrastiveBatch) -> tuple[Tensor, ...]:
    return pairs.audio_NE, pairs.text_UE, pairs.scale


def literal(pairs: ContrastiveBatch, directions: str) -> Tensor:
    """L_out term by term, one caption per clip."""
    audio, text, label = pairs.audio_NE, pairs.text_UE[pairs.caption_N], pairs.label_N.tolist()
    n = len(label)

    def one_way(anchor: Tensor, candidate: Tensor) -> Tensor:
        total = torch.zeros((), dtype=torch.float64)
        for i in range(n):
            positives = [p for p in range(n) if p == i or (label[p] == label[i] and label[i] != -1)]
            denominator = sum(torch.exp(pairs.scale * (anchor[i] @ candidate[k])) for k in range(n))
            for p in positives:
                probability = torch.exp(pairs.scale * (anchor[i] @ candidate[p])) / denominator
                total = total - torch.log(probability) / len(positives)
        return total / n

    to_text = one_way(audio, text)
    return to_text if directions == "audio_to_text" else (to_text + one_way(text, audio)) / 2


BATCHES = {
    "distinct captions": ([0, 1, 2, 3, 4, 5, 6], [0, 1, 1, 2, 0, 0, 3]),
    "shared captions": ([0, 3, 3, 0, 5, 0, 1], [0, 1, 1, 0, 0, 0, 1]),
    "a caption of two classes": ([2, 2, 2, 4], [0, 1, 0, 1]),
    "unknown labels": ([0, 3, 3, 0, 5], [-1, 1, -1, -1, 1]),
    "all unknown": ([0, 3, 3], [-1, -1, -1]),
    "one class": ([0, 1, 0, 2], [4, 4, 4, 4]),
    "two clips": ([1, 0], [0, 0]),
    "one clip": ([1], [2]),
}


@pytest.mark.parametrize(("caption", "label"), BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize("directions", ["audio_to_text", "both"])
def test_equals_the_printed_equation_in_value_and_gradients(directions, caption, label):
    pairs = pairs_of(caption, label)
    ours, theirs = SupCon(directions)(pairs), literal(pairs, directions)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-10)
    both = (torch.autograd.grad(value, learnt(pairs)) for value in (ours, theirs))
    for left, right in zip(*both, strict=True):
        torch.testing.assert_close(left, right, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("caption", "label"), BATCHES.values(), ids=BATCHES)
def test_in_both_directions_it_is_infonce_that_shares_its_mass(caption, label):
    pairs = pairs_of(caption, label)
    assert SupCon()(pairs).item() == pytest.approx(InfoNCE("label")(pairs).item(), abs=1e-12)


def test_labels_that_all_differ_leave_infonce():
    pairs = pairs_of([0, 1, 2, 3], [0, 1, 2, 3])
    assert SupCon()(pairs).item() == pytest.approx(InfoNCE()(pairs).item(), abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(
    clips=st.lists(st.tuples(st.integers(0, 6), st.integers(-1, 3)), min_size=1, max_size=9),
    seed=st.integers(0, 2**31),
    shuffle=st.randoms(),
)
def test_order_of_clips_captions_and_classes_is_irrelevant(clips, seed, shuffle):
    caption, label = map(list, zip(*clips, strict=True))
    pairs = pairs_of(caption, label, seed=seed)
    order, table, names = list(range(len(clips))), list(range(7)), list(range(4))
    for numbers in (order, table, names):
        shuffle.shuffle(numbers)
    mixed = replace(
        pairs,
        audio_NE=pairs.audio_NE[order],
        text_UE=pairs.text_UE[table],
        caption_N=torch.tensor(table).argsort()[pairs.caption_N][order],
        label_N=torch.tensor([*names, -1])[pairs.label_N][order],
    )
    value = SupCon()(pairs)
    assert SupCon()(mixed).item() == pytest.approx(value.item(), abs=1e-10)
    assert value.item() >= -1e-12
    assert all(g.isfinite().all() for g in torch.autograd.grad(value, learnt(pairs)))


@pytest.mark.parametrize("scale", [0.0, 0.01, 1.0, 100.0, 1e4])
def test_gradients_are_finite_at_the_extremes(scale):
    axis = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    pairs = ContrastiveBatch(
        axis.clone().requires_grad_(),
        axis.clone().requires_grad_(),
        torch.tensor([0, 0, 1, 3]),
        torch.tensor(scale, requires_grad=True),
        label_N=torch.tensor([0, 1, 1, -1]),
    )
    loss = SupCon()(pairs)
    assert loss.isfinite()
    assert all(g.isfinite().all() for g in torch.autograd.grad(loss, learnt(pairs)))


# Error relative to float64 on the unrounded embeddings, at a scale of 20; what is left is the rounding of the inputs.
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float16, 5e-4), (torch.bfloat16, 5e-3)])
def test_precision(dtype, tolerance):
    label, scale = torch.arange(64) % 4, torch.tensor(20.0)
    exact = ContrastiveBatch(
        unit(64, 32, seed=5), unit(8, 32, seed=6), torch.arange(64) % 8, scale.double(), label_N=label
    )
    rounded = replace(exact, audio_NE=exact.audio_NE.to(dtype), text_UE=exact.text_UE.to(dtype), scale=scale)
    value = SupCon()(rounded)
    assert value.dtype is torch.float32
    assert value.item() == pytest.approx(SupCon()(exact).item(), rel=tolerance)


def test_it_needs_labels():
    assert SupCon().required_fields == ("label",)
    with pytest.raises(LossInputError, match="SupCon needs the class of each clip"):
        SupCon()(replace(pairs_of([0], [0]), label_N=None))
    with pytest.raises(LossSettingError, match="directions is 'text'; expected 'audio_to_text' or 'both'"):
        SupCon("text")
