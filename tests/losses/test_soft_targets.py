import math
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
from losses.soft_targets import SoftTargets

CAPTION = {
    "distinct": [2, 0, 3, 1],
    "shared": [3, 0, 0, 0, 1, 3, 0],
    "one caption": [1, 1, 1],
    "two clips": [0, 3],
    "one clip": [2],
}


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def unit(*shape: int, seed: int) -> Tensor:
    return F.normalize(normal(*shape, seed=seed), dim=-1)


def pairs_of(caption: list[int], seed: int = 0, scale: float = 7.3) -> ContrastiveBatch:
    n = len(caption)
    return ContrastiveBatch(
        audio_NE=unit(n, 5, seed=seed).requires_grad_(),
        text_UE=unit(4, 5, seed=seed + 1).requires_grad_(),
        caption_N=torch.tensor(caption),
        scale=torch.tensor(scale, dtype=torch.float64, requires_grad=True),
        local_NL=normal(n, 6, seed=seed + 2).requires_grad_(),
        texts={"tags": unit(n, 5, seed=seed + 3).requires_grad_()},
    )


def learnt(pairs: ContrastiveBatch) -> tuple[Tensor, ...]:
    return pairs.audio_NE, pairs.text_UE, pairs.scale, pairs.local_NL, pairs.texts["tags"]


def softmax(row: list[Tensor]) -> list[Tensor]:
    total = sum(torch.exp(x) for x in row)
    return [torch.exp(x) / total for x in row]


def literal(pairs: ContrastiveBatch, loss: SoftTargets, floor: float) -> tuple[Tensor, Tensor | None]:
    """Equations 4 to 11 term by term; with the mean entropy of q."""
    n, text = len(pairs.audio_NE), pairs.text_UE[pairs.caption_N]
    s = [[pairs.scale * (a @ t) / loss.prediction_temperature for t in text] for a in pairs.audio_NE]
    a2t, t2a = [softmax(row) for row in s], [softmax([s[j][i] for j in range(n)]) for i in range(n)]
    if loss.beta == 0:
        return -sum(torch.log(a2t[i][i]) + torch.log(t2a[i][i]) for i in range(n)) / (2 * n), None

    local = pairs.local_NL - sum(pairs.local_NL) / n if loss.center_local else pairs.local_NL
    if loss.normalize_local:
        local = torch.stack([x / x.norm().clamp(min=1e-12) for x in local])
    tags, frozen = (torch.stack([x / x.norm() for x in rows]) for rows in (pairs.texts["tags"], text))
    if loss.detach:
        local, tags, frozen = local.detach(), tags.detach(), text.detach()

    def alike(x: Tensor, temperature: float) -> list[list[Tensor]]:
        return [softmax([x[i] @ x[j] / temperature for j in range(n)]) for i in range(n)]

    texts = {"tags": [tags], "caption": [frozen], "both": [tags, frozen]}[loss.t2t]
    t2t = [alike(x, loss.t2t_temperature) for x in texts]
    a2a = alike(local, loss.a2a_temperature)
    q = [
        [(1 - loss.gamma) * a2a[i][j] + loss.gamma * sum(x[i][j] for x in t2t) / len(t2t) for j in range(n)]
        for i in range(n)
    ]
    y = [[(1 - loss.beta) * (i == j) + loss.beta * q[i][j] for j in range(n)] for i in range(n)]
    turned = y
    if loss.t2a_target == "transposed":
        turned = [[y[j][i] / sum(y[k][i] for k in range(n)) for j in range(n)] for i in range(n)]
    total = torch.zeros((), dtype=torch.float64)
    for target, predicted in ((y, a2t), (turned, t2a)):
        for i in range(n):
            for j in range(n):
                log_ratio = torch.log(torch.clamp(target[i][j], min=floor)) - torch.log(predicted[i][j])
                total = total + target[i][j] * log_ratio - predicted[i][j] * log_ratio
    return total / (2 * n), -sum(x * torch.log(x) for row in q for x in row) / n


def gradients(value: Tensor, pairs: ContrastiveBatch) -> list[Tensor]:
    found = torch.autograd.grad(value, learnt(pairs), allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(learnt(pairs), found, strict=True)]


SETTINGS = {
    "the paper's optimum": {},
    "the paper's set-up": {"gamma": 0.1, "beta": 0.5},
    "identity": {"beta": 0},
    "softened only": {"beta": 1},
    "audio only": {"gamma": 0},
    "text only": {"gamma": 1},
    "caption": {"t2t": "caption"},
    "tags and caption": {"t2t": "both", "beta": 0.7},
    "transposed": {"t2a_target": "transposed", "beta": 0.4},
    "temperatures": {"a2a_temperature": 0.4, "t2t_temperature": 0.7, "prediction_temperature": 2.0, "beta": 0.3},
    "local features as they are": {"normalize_local": False, "a2a_temperature": 3.0, "beta": 0.3},
    "centred": {"center_local": True, "beta": 0.3},
    "floor reached": {"floor": 0.02, "beta": 0.3},
}


@pytest.mark.parametrize("caption", CAPTION.values(), ids=CAPTION)
@pytest.mark.parametrize("detach", [True, False], ids=["targets are fixed", "targets learn"])
@pytest.mark.parametrize("kwargs", SETTINGS.values(), ids=SETTINGS)
def test_equals_the_printed_equations_in_value_and_gradients(kwargs, detach, caption):
    kwargs = {"floor": 0.0, "detach": detach, **kwargs}
    loss, pairs = SoftTargets(**kwargs), pairs_of(caption)
    ours, (theirs, entropy) = loss(pairs), literal(pairs, loss, kwargs["floor"])
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-10)
    for left, right in zip(gradients(ours, pairs), gradients(theirs, pairs), strict=True):
        torch.testing.assert_close(left, right, rtol=0, atol=1e-10)
    if entropy is None:
        assert loss.target_entropy is None
    else:
        assert loss.target_entropy.item() == pytest.approx(entropy.item(), abs=1e-10)
        assert not loss.target_entropy.requires_grad


@pytest.mark.parametrize("caption", CAPTION.values(), ids=CAPTION)
def test_without_softening_it_is_infonce(caption):
    pairs = pairs_of(caption)
    bare = replace(pairs, local_NL=None, texts={})
    soft, hard = SoftTargets(beta=0)(bare), InfoNCE()(bare)
    assert soft.item() == pytest.approx(hard.item(), abs=1e-12)
    for left, right in zip(gradients(soft, pairs), gradients(hard, pairs), strict=True):
        torch.testing.assert_close(left, right, rtol=0, atol=1e-12)


def test_the_floor_is_out_of_reach_of_ordinary_targets():
    pairs = pairs_of(CAPTION["shared"])
    kwargs = {"a2a_temperature": 0.2, "t2t_temperature": 0.2}
    assert SoftTargets(**kwargs)(pairs).item() == SoftTargets(**kwargs, floor=0.0)(pairs).item()


@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("scale", [0.0, 0.01, 1.0, 100.0, 1e4])
@pytest.mark.parametrize("floor", [0.0, 1e-8])
def test_underflowing_targets_cost_a_finite_sum_with_a_finite_gradient(floor, scale, detach):
    """Local features of length 100 make off-diagonal targets of exp(-20,000 / 0.05), which no float holds."""
    axis = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    pairs = ContrastiveBatch(
        audio_NE=axis.clone().requires_grad_(),
        text_UE=axis.clone().requires_grad_(),
        caption_N=torch.tensor([0, 0, 1, 3]),
        scale=torch.tensor(scale, requires_grad=True),
        local_NL=(100 * axis).requires_grad_(),
        texts={"tags": axis.clone().requires_grad_()},
    )
    for kwargs in ({}, {"beta": 1.0}, {"t2a_target": "transposed"}, {"t2t": "both"}):
        loss = SoftTargets(normalize_local=False, detach=detach, floor=floor, gamma=0.0, **kwargs)(pairs)
        assert loss.isfinite()
        assert all(g.isfinite().all() for g in gradients(loss, pairs))


@pytest.mark.parametrize("t2t", ["tags", "caption", "both"])
def test_texts_are_compared_by_their_cosines_where_training_keeps_their_lengths(t2t):
    """A model that is trained without unit vectors gives tags of any length; products of long ones are one-hot."""
    pairs = pairs_of(CAPTION["shared"])
    loss = SoftTargets(t2t=t2t, gamma=1.0, beta=1.0)
    loss(pairs)
    expected = loss.target_entropy
    length_N1 = torch.tensor([[30.0], [2.0], [0.1], [7.0], [30.0], [1.0], [12.0]])
    long = {"tags": pairs.texts["tags"] * length_N1}
    loss(replace(pairs, texts=long, text_UE=pairs.text_UE * length_N1[:4]))
    assert expected > 0.01
    torch.testing.assert_close(loss.target_entropy, expected, atol=1e-9, rtol=0)


def test_the_entropy_tells_useless_targets_from_useful_ones():
    pairs = pairs_of(list(range(4)))
    same = replace(pairs, local_NL=torch.ones(4, 6))
    loss = SoftTargets(gamma=0)
    loss(same)
    assert loss.target_entropy.item() == pytest.approx(math.log(4))
    loss(replace(pairs, local_NL=100 * torch.eye(4)))
    assert loss.target_entropy.item() < 1e-6


@settings(deadline=None, max_examples=40)
@given(
    caption=st.lists(st.integers(0, 3), min_size=1, max_size=9),
    seed=st.integers(0, 2**31),
    gamma=st.floats(0, 1),
    beta=st.floats(0, 1),
    shuffle=st.randoms(),
)
def test_order_of_clips_and_of_captions_is_irrelevant(caption, seed, gamma, beta, shuffle):
    pairs = pairs_of(caption, seed=seed)
    clips, table = list(range(len(caption))), list(range(4))
    shuffle.shuffle(clips)
    shuffle.shuffle(table)
    mixed = replace(
        pairs,
        audio_NE=pairs.audio_NE[clips],
        text_UE=pairs.text_UE[table],
        caption_N=torch.tensor(table).argsort()[pairs.caption_N][clips],
        local_NL=pairs.local_NL[clips],
        texts={"tags": pairs.texts["tags"][clips]},
    )
    loss = SoftTargets(gamma=gamma, beta=beta, t2t="both")
    value = loss(pairs)
    assert loss(mixed).item() == pytest.approx(value.item(), abs=1e-10)
    assert value.item() >= -1e-6  # the floor may take a little off
    assert all(g.isfinite().all() for g in gradients(value, pairs))


def test_clips_that_share_a_caption_might_as_well_have_copies():
    pairs = pairs_of(CAPTION["shared"])
    copies = replace(pairs, text_UE=pairs.text_NE, caption_N=torch.arange(7))
    for t2t in ("tags", "caption", "both"):
        assert SoftTargets(t2t=t2t)(pairs).item() == pytest.approx(SoftTargets(t2t=t2t)(copies).item(), abs=1e-12)


@pytest.mark.parametrize(
    ("kwargs", "needs"),
    [
        ({}, {"local", "tags"}),
        ({"beta": 0}, set()),
        ({"gamma": 0}, {"local"}),
        ({"gamma": 1}, {"tags"}),
        ({"gamma": 1, "t2t": "caption"}, set()),
        ({"t2t": "caption"}, {"local"}),
        ({"t2t": "both"}, {"local", "tags"}),
    ],
)
def test_it_asks_for_what_it_uses_and_no_more(kwargs, needs):
    loss, pairs = SoftTargets(**kwargs), pairs_of(CAPTION["shared"])
    assert {*loss.required_fields, *loss.required_texts} == needs
    without = {"local": {"local_NL": None}, "tags": {"texts": {}}}
    enough = pairs
    for what in without.keys() - needs:
        enough = replace(enough, **without[what])
    assert loss(enough).isfinite()
    for what in needs:
        with pytest.raises(LossInputError, match="needs local audio features" if what == "local" else "needs tags"):
            loss(replace(pairs, **without[what]))


# Error relative to float64 on the unrounded embeddings, at a scale of 20; what is left is the rounding of the inputs.
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float16, 2e-3), (torch.bfloat16, 2e-2)])
def test_precision(dtype, tolerance):
    exact = ContrastiveBatch(
        unit(48, 32, seed=5),
        unit(8, 32, seed=6),
        torch.arange(48) % 8,
        torch.tensor(20.0, dtype=torch.float64),
        local_NL=normal(48, 16, seed=7),
        texts={"tags": unit(48, 32, seed=8)},
    )
    names = ("audio_NE", "text_UE", "local_NL")
    rounded = replace(exact, scale=torch.tensor(20.0), **{name: getattr(exact, name).to(dtype) for name in names})
    rounded = replace(rounded, texts={"tags": exact.texts["tags"].to(dtype)})
    value = SoftTargets(t2t="both")(rounded)
    assert value.dtype is torch.float32
    assert value.item() == pytest.approx(SoftTargets(t2t="both")(exact).item(), rel=tolerance)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"gamma": 1.1}, "gamma is 1.1; expected a number from 0 to 1"),
        ({"beta": -0.1}, "beta is -0.1; expected a number from 0 to 1"),
        ({"floor": 1.0}, "floor is 1.0; expected a number from 0 to 0.5"),
        ({"a2a_temperature": 0.0}, "a2a_temperature is 0.0; expected a positive number"),
        ({"t2t_temperature": math.inf}, "t2t_temperature is inf; expected a positive number"),
        ({"prediction_temperature": math.nan}, "prediction_temperature is nan; expected a positive number"),
        ({"t2t": "text"}, "t2t is 'text'; expected 'tags', 'caption' or 'both'"),
        ({"t2a_target": "columns"}, "t2a_target is 'columns'; expected 'rows' or 'transposed'"),
    ],
)
def test_settings_out_of_range_are_refused(kwargs, message):
    with pytest.raises(LossSettingError, match=message):
        SoftTargets(**kwargs)
