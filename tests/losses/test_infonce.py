import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from losses.batch import ContrastiveBatch
from losses.errors import LossInputError, LossSettingError
from losses.infonce import InfoNCE


def unit(*shape: int, seed: int) -> Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return F.normalize(x, dim=-1)


def literal(pairs: ContrastiveBatch, targets: str) -> Tensor:
    """Section 3.3 term by term, one text per clip; with labels, the positives of a clip share its mass."""
    audio, scale, n = pairs.audio_NE, pairs.scale, len(pairs.audio_NE)
    paired = [pairs.text_UE[int(c)] for c in pairs.caption_N]
    total = torch.zeros((), dtype=torch.float64)
    for i in range(n):
        positives = [i] if targets == "identity" else [j for j in range(n) if pairs.label_N[j] == pairs.label_N[i]]
        to_text = sum(torch.exp(scale * (audio[i] @ paired[j])) for j in range(n))
        to_audio = sum(torch.exp(scale * (paired[i] @ audio[j])) for j in range(n))
        for j in positives:
            total = total + torch.log(torch.exp(scale * (audio[i] @ paired[j])) / to_text) / len(positives)
            total = total + torch.log(torch.exp(scale * (paired[i] @ audio[j])) / to_audio) / len(positives)
    return -total / (2 * n)


BATCHES = {
    "balanced": [0, 1, 2, 0, 1, 2],
    "uneven": [3, 0, 0, 0, 1, 3, 0],
    "distinct": [2, 0, 3, 1],
    "one caption": [1, 1, 1],
    "one clip": [2],
}


@pytest.mark.parametrize("caption", BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize("targets", ["identity", "label"])
def test_equals_the_literal_square_in_value_and_gradients(caption, targets):
    """Four captions in the table; where fewer occur, the others must have no part."""
    label = torch.tensor([0, 1, 0, 1])[torch.tensor(caption)]
    values, gradients = [], []
    for loss in (InfoNCE(targets), lambda pairs: literal(pairs, targets)):
        audio, text = unit(len(caption), 5, seed=0).requires_grad_(), unit(4, 5, seed=1).requires_grad_()
        scale = torch.tensor(7.3, dtype=torch.float64, requires_grad=True)
        value = loss(ContrastiveBatch(audio, text, torch.tensor(caption), scale, label_N=label))
        values.append(value.item())
        gradients.append(torch.autograd.grad(value, (audio, text, scale)))
    assert values[0] == pytest.approx(values[1], abs=1e-10)
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


def test_sharing_the_mass_changes_nothing_when_captions_are_the_labels():
    """The columns of equal captions are equal, so the negatives among them cancel."""
    caption, scale = torch.tensor([0, 1, 1, 2, 2, 2, 0, 0, 1]), torch.tensor(20.0, dtype=torch.float64)
    pairs = ContrastiveBatch(unit(9, 4, seed=2), unit(3, 4, seed=3), caption, scale, label_N=caption)
    shared = literal(pairs, "label").item()
    assert literal(pairs, "identity").item() == pytest.approx(shared, abs=1e-10)
    for targets in ("identity", "label"):
        assert InfoNCE(targets)(pairs).item() == pytest.approx(shared, abs=1e-10)


def test_labels_with_several_captions_make_a_difference():
    scale, label = torch.tensor(20.0, dtype=torch.float64), torch.tensor([0, 0, 1, 1])
    pairs = ContrastiveBatch(unit(4, 4, seed=2), unit(4, 4, seed=3), torch.arange(4), scale, label_N=label)
    identity, shared = (InfoNCE(targets)(pairs) for targets in ("identity", "label"))
    assert abs(identity.item() - shared.item()) > 0.1


def test_a_clip_without_a_label_has_its_own_caption():
    scale, unknown = torch.tensor(20.0, dtype=torch.float64), torch.full((4,), -1)
    pairs = ContrastiveBatch(unit(4, 4, seed=2), unit(4, 4, seed=3), torch.arange(4), scale, label_N=unknown)
    assert InfoNCE("label")(pairs).item() == pytest.approx(InfoNCE("identity")(pairs).item(), abs=1e-12)


def test_labels_are_asked_for_where_they_are_used():
    assert InfoNCE().required_fields == ()
    assert InfoNCE("label").required_fields == ("label",)
    pairs = ContrastiveBatch(unit(4, 4, seed=2), unit(4, 4, seed=3), torch.arange(4), torch.tensor(20.0))
    with pytest.raises(LossInputError, match="'label' needs the class of each clip"):
        InfoNCE("label")(pairs)


def test_perfect_embeddings_reach_the_floor_of_repeated_captions():
    text = torch.eye(4, dtype=torch.float64)
    caption = torch.arange(64) % 4
    loss = InfoNCE()(ContrastiveBatch(text[caption], text, caption, torch.tensor(100.0, dtype=torch.float64)))
    assert loss.item() == pytest.approx(math.log(64 / 4), abs=1e-12)


def test_uninformative_embeddings_cost_the_logarithm_of_the_batch():
    same = torch.ones(6, 1, dtype=torch.float64)
    scale = torch.tensor(5.0, dtype=torch.float64)
    loss = InfoNCE()(ContrastiveBatch(same, same[:3], torch.tensor([0, 1, 2, 0, 1, 2]), scale))
    assert loss.item() == pytest.approx(math.log(6), abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(caption=st.lists(st.integers(0, 4), min_size=1, max_size=12), data=st.randoms(), scale=st.floats(0, 100))
def test_order_of_clips_and_of_captions_is_irrelevant_and_gradients_are_finite(caption, data, scale):
    seed, clips, table = data.randrange(2**31), list(range(len(caption))), list(range(5))
    data.shuffle(clips)
    data.shuffle(table)
    audio, text = unit(len(caption), 6, seed=seed), unit(5, 6, seed=seed + 1)
    audio.requires_grad_()
    text.requires_grad_()
    scale = torch.tensor(scale, dtype=torch.float64, requires_grad=True)
    captions = torch.tensor(caption)
    loss = InfoNCE()(ContrastiveBatch(audio, text, captions, scale))
    renamed = torch.tensor(table).argsort()[captions]
    mixed = ContrastiveBatch(audio[clips], text[table], renamed[clips], scale)
    assert InfoNCE()(mixed).item() == pytest.approx(loss.item(), abs=1e-10)
    counts = captions.bincount()
    assert loss.item() >= (counts / counts.sum() * counts.clamp(min=1).log()).sum().item() - 1e-6
    assert all(g.isfinite().all() for g in torch.autograd.grad(loss, (audio, text, scale)))


@pytest.mark.parametrize("scale", [0.0, 1.0, 100.0, 1e4])
def test_gradients_are_finite_at_cosines_of_one_and_minus_one(scale):
    audio = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    text = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], requires_grad=True)
    loss = InfoNCE()(ContrastiveBatch(audio, text, torch.tensor([0, 0, 1]), torch.tensor(scale)))
    assert all(g.isfinite().all() for g in torch.autograd.grad(loss, (audio, text)))


# Error relative to float64 on the unrounded embeddings, at a scale of 20; what is left is the rounding of the inputs.
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float16, 5e-4), (torch.bfloat16, 5e-3)])
def test_precision(dtype, tolerance):
    audio, text, caption = unit(64, 32, seed=5), unit(8, 32, seed=6), torch.arange(64) % 8
    exact = InfoNCE()(ContrastiveBatch(audio, text, caption, torch.tensor(20.0, dtype=torch.float64))).item()
    rounded = InfoNCE()(ContrastiveBatch(audio.to(dtype), text.to(dtype), caption, torch.tensor(20.0)))
    assert rounded.dtype is torch.float32
    assert rounded.item() == pytest.approx(exact, rel=tolerance)


def test_autocast_does_not_touch_the_logits():
    audio, text, caption = unit(16, 8, seed=5).float(), unit(4, 8, seed=6).float(), torch.arange(16) % 4
    pairs = ContrastiveBatch(audio, text, caption, torch.tensor(100.0))
    outside = InfoNCE()(pairs)
    with torch.autocast("cpu", torch.bfloat16):
        inside = InfoNCE()(pairs)
    assert inside.item() == outside.item()


def test_unknown_targets_are_refused():
    with pytest.raises(LossSettingError, match="targets is 'captions'; expected 'identity' or 'label'"):
        InfoNCE("captions")
