import itertools
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
from losses.rank_n_contrast import RankNContrast

COLUMN = {"valence": 0, "arousal": 1, "dominance": 2}
NAN = float("nan")


def unit(*shape: int, seed: int) -> Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return F.normalize(x, dim=-1)


def pairs_of(
    rating: list[list[float]], seed: int = 0, scale: float = 7.3, captions: list[int] | None = None
) -> ContrastiveBatch:
    n = len(rating)
    caption = torch.arange(n) if captions is None else torch.tensor(captions, dtype=torch.int64)
    return ContrastiveBatch(
        audio_NE=unit(n, 5, seed=seed).requires_grad_(),
        text_UE=unit(n if captions is None else 4, 5, seed=seed + 1).requires_grad_(),
        caption_N=caption,
        scale=torch.tensor(scale, dtype=torch.float64, requires_grad=True),
        rating_NR=torch.tensor(rating, dtype=torch.float64).reshape(n, 3),
    )


def learnt(pairs: ContrastiveBatch) -> tuple[Tensor, Tensor, Tensor]:
    return pairs.audio_NE, pairs.text_UE, pairs.scale


def literal(pairs: ContrastiveBatch, loss: RankNContrast) -> Tensor:
    """Equations 3 and 4 term by term."""
    rating, n = pairs.rating_NR[:, [COLUMN[name] for name in loss.attributes]].tolist(), len(pairs.rating_NR)
    if loss.standardize:
        for column in range(len(loss.attributes)):
            values = [row[column] for row in rating]
            mean = sum(values) / n
            deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / n) or 1.0
            rating = [[*r[:column], (r[column] - mean) / deviation, *r[column + 1 :]] for r in rating]
    eps = loss.ranking.tie_eps

    def distance(i: int, j: int) -> float:
        differences = [abs(a - b) for a, b in zip(rating[i], rating[j], strict=True)]
        return sum(differences) if loss.ranking.distance == "l1" else math.sqrt(sum(d * d for d in differences))

    def one_way(anchor: Tensor, candidate: Tensor) -> Tensor:
        total, terms = torch.zeros((), dtype=torch.float64), 0
        for i, j in itertools.product(range(n), repeat=2):
            if loss.ranking.strict:
                chosen = [k for k in range(n) if distance(i, k) > distance(i, j) + eps]
            else:
                chosen = [k for k in range(n) if distance(i, k) >= distance(i, j) - eps]
            if not chosen:
                continue
            terms += 1
            denominator = sum(torch.exp(pairs.scale * (anchor[i] @ candidate[k])) for k in chosen)
            total = total - torch.log(torch.exp(pairs.scale * (anchor[i] @ candidate[j])) / denominator)
        return total / (max(terms, 1) if loss.normalizer == "valid" else n * n)

    text = pairs.text_UE[pairs.caption_N]
    if loss.directions == "audio_to_text":
        return one_way(pairs.audio_NE, text)
    return (one_way(pairs.audio_NE, text) + one_way(text, pairs.audio_NE)) / 2


def require_equal(pairs: ContrastiveBatch, loss: RankNContrast) -> None:
    ours, theirs = loss(pairs), literal(pairs, loss)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-10)
    if theirs.requires_grad:
        left, right = (torch.autograd.grad(value, learnt(pairs)) for value in (ours, theirs))
    else:
        left, right = torch.autograd.grad(ours, learnt(pairs)), [torch.zeros_like(x) for x in learnt(pairs)]
    for ours_x, theirs_x in zip(left, right, strict=True):
        torch.testing.assert_close(ours_x, theirs_x, rtol=0, atol=1e-10)


RATINGS = {
    # Two clips are rated alike, and several are equally far from a third.
    "ties": [[1, 2, 3], [3, 2, 1], [1, 2, 5], [2, 5, 4], [3, 2, 2], [7, 7, 7], [5, 6, 1]],
    "distinct": [[1.2, 3.1, 2.7], [4.4, 6.3, 1.1], [2.9, 5.2, 6.6], [6.7, 1.4, 3.8], [3.3, 3.6, 5.9]],
    "equal": [[4, 4, 4]] * 4,
    "one attribute is constant": [[4, 1, 4], [4, 2, 4], [4, 2, 4], [4, 6, 4]],
    "two clips": [[1, 1, 1], [2, 3, 1]],
    "two clips alike": [[1, 1, 1], [1, 1, 1]],
    "one clip": [[3, 4, 5]],
}
SETTINGS = {
    "paper, inclusive": {},
    "strict": {"negatives": "strict"},
    "l1": {"distance": "l1"},
    "both": {"directions": "both"},
    "strict, both": {"negatives": "strict", "directions": "both"},
    "square": {"normalizer": "square"},
    "strict, square": {"negatives": "strict", "normalizer": "square", "distance": "l1"},
    "tie_eps": {"tie_eps": 0.75},
    "strict, tie_eps": {"negatives": "strict", "tie_eps": 0.75},
    "valence": {"attributes": ["valence"]},
    "all attributes": {"attributes": ["dominance", "valence", "arousal"], "distance": "l1"},
    "z-scored": {"standardize": True, "tie_eps": 1e-9},
    "z-scored, strict": {"standardize": True, "tie_eps": 1e-9, "negatives": "strict", "directions": "both"},
}


@pytest.mark.parametrize("rating", RATINGS.values(), ids=RATINGS)
@pytest.mark.parametrize("kwargs", SETTINGS.values(), ids=SETTINGS)
def test_equals_the_printed_equations_in_value_and_gradients(kwargs, rating):
    require_equal(pairs_of(rating), RankNContrast(**kwargs))


@pytest.mark.parametrize("kwargs", [{}, {"negatives": "strict"}, {"tie_eps": 0.75}], ids=["=", ">", "eps"])
def test_a_range_of_logits_beyond_the_exponential_makes_no_difference(kwargs, monkeypatch):
    """Forced at a range where the literal formula still has numbers."""
    monkeypatch.setattr("losses.ranked_terms.EXPONENTIAL_RANGE", 0)
    for rating in RATINGS.values():
        require_equal(pairs_of(rating), RankNContrast(**kwargs))


def test_beyond_the_exponential_the_farthest_candidates_still_count():
    """Two clips opposite: the farther caption is 2000 below the nearer, and alone in its own denominator."""
    axis = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    rating, scale = torch.tensor([[1.0, 1, 1], [7, 7, 7]]), torch.tensor(1000.0, dtype=torch.float64)
    right = ContrastiveBatch(axis, axis, torch.arange(2), scale, rating_NR=rating)
    assert RankNContrast()(right).item() == 0
    assert RankNContrast()(replace(right, text_UE=-axis)).item() == 2000 / 2
    assert RankNContrast(negatives="strict")(right).item() == -2000


def test_clips_that_share_a_caption_have_ratings_of_their_own():
    rating = RATINGS["ties"]
    pairs = pairs_of(rating, captions=[0, 3, 3, 0, 1, 0, 3])
    for kwargs in ({}, {"negatives": "strict", "directions": "both"}):
        require_equal(pairs, RankNContrast(**kwargs))
        expanded = replace(pairs, text_UE=pairs.text_NE, caption_N=torch.arange(len(rating)))
        assert RankNContrast(**kwargs)(pairs).item() == pytest.approx(
            RankNContrast(**kwargs)(expanded).item(), abs=1e-12
        )


@pytest.mark.parametrize("block_rows", [1, 2, 3, 7, 100])
def test_blocks_change_nothing(block_rows):
    pairs = pairs_of(RATINGS["ties"])
    for kwargs in ({}, {"negatives": "strict", "directions": "both"}):
        whole, blocks = RankNContrast(**kwargs)(pairs), RankNContrast(**kwargs, block_rows=block_rows)(pairs)
        assert blocks.item() == pytest.approx(whole.item(), abs=1e-12)
        both = (torch.autograd.grad(value, learnt(pairs)) for value in (whole, blocks))
        for left, right in zip(*both, strict=True):
            torch.testing.assert_close(left, right, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kwargs", [{}, {"negatives": "strict"}, {"directions": "both"}, {"standardize": True}])
@pytest.mark.parametrize("n", [0, 1])
def test_nothing_to_rank_costs_nothing_and_stays_in_the_graph(kwargs, n):
    pairs = pairs_of([[3, 4, 5]] * n)
    loss = RankNContrast(**kwargs)(pairs)
    assert loss.item() == 0
    for gradient in torch.autograd.grad(loss, learnt(pairs)):
        assert torch.equal(gradient, torch.zeros_like(gradient))


def test_strict_has_no_term_where_all_are_rated_alike():
    pairs = pairs_of([[4, 4, 4]] * 3)
    loss = RankNContrast(negatives="strict")(pairs)
    assert loss.item() == 0
    assert all(not gradient.any() for gradient in torch.autograd.grad(loss, learnt(pairs)))


def test_the_strict_loss_has_no_bound_and_the_inclusive_one_has():
    """Perfectly ordered similarities: sharper is better without end, but only where the positive is left out."""
    rating = torch.linspace(1, 7, 6)[:, None].expand(6, 3)
    angle = (rating[:, 0] - 1) / 6 * math.pi / 2
    axis = torch.stack([angle.cos(), angle.sin()], 1).double()
    pairs = ContrastiveBatch(axis, axis, torch.arange(6), torch.tensor(100.0, dtype=torch.float64), rating_NR=rating)
    assert RankNContrast(negatives="strict")(pairs).item() < -5
    assert 0 <= RankNContrast()(pairs).item() < 1


def test_equal_averages_of_raters_are_ties_also_in_single_precision():
    thirds = [[sum(x) / 3, sum(y) / 3, 4.0] for x, y in [((1, 2, 5), (3, 3, 4)), ((5, 1, 2), (4, 3, 3))] * 2]
    pairs = pairs_of(thirds)
    pairs = replace(pairs, rating_NR=pairs.rating_NR.float())
    assert RankNContrast()(pairs).item() == pytest.approx(RankNContrast()(pairs_of([[2, 2, 2]] * 4)).item(), abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ratings_equally_far_on_two_sides_are_ties_by_default(dtype):
    """3.2 and 3.6 lie equally far from 3.4, which binary fractions tell apart."""
    pairs = pairs_of([[3.4, 4, 4], [3.2, 4, 4], [3.6, 4, 4]])
    pairs = replace(pairs, rating_NR=pairs.rating_NR.to(dtype))
    apart, tied = RankNContrast(tie_eps=0)(pairs).item(), RankNContrast()(pairs).item()
    tenths = replace(pairs, rating_NR=torch.tensor([[34.0, 40, 40], [32, 40, 40], [36, 40, 40]]))
    assert tied == pytest.approx(RankNContrast(tie_eps=0)(tenths).item(), abs=1e-12)
    assert apart != pytest.approx(tied, abs=1e-6)


@settings(deadline=None, max_examples=40)
@given(
    rating=st.lists(st.tuples(*[st.integers(1, 4)] * 3), min_size=1, max_size=9),
    seed=st.integers(0, 2**31),
    strict=st.booleans(),
    shuffle=st.randoms(),
)
def test_order_of_clips_and_of_captions_is_irrelevant(rating, seed, strict, shuffle):
    pairs = pairs_of([list(r) for r in rating], seed=seed)
    loss = RankNContrast(negatives="strict" if strict else "inclusive", directions="both")
    clips, table = list(range(len(rating))), list(range(len(rating)))
    shuffle.shuffle(clips)
    shuffle.shuffle(table)
    mixed = replace(
        pairs,
        audio_NE=pairs.audio_NE[clips],
        text_UE=pairs.text_UE[table],
        caption_N=torch.tensor(table).argsort()[clips],
        rating_NR=pairs.rating_NR[clips],
    )
    value = loss(pairs)
    assert loss(mixed).item() == pytest.approx(value.item(), abs=1e-10)
    assert strict or value.item() >= -1e-12
    assert all(g.isfinite().all() for g in torch.autograd.grad(value, learnt(pairs)))


@pytest.mark.parametrize("scale", [0.0, 0.01, 1.0, 100.0, 1e4])
@pytest.mark.parametrize("negatives", ["inclusive", "strict"])
def test_gradients_are_finite_at_the_extremes(scale, negatives):
    """Cosines of one, of minus one, and of a vector that a ReLU has emptied."""
    audio = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [0.0, 0.0]], requires_grad=True)
    text = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]], requires_grad=True)
    scale = torch.tensor(scale, requires_grad=True)
    rating = torch.tensor([[1.0, 2, 3], [7, 2, 3], [2, 6, 3], [2, 6, 3]])
    pairs = ContrastiveBatch(audio, text, torch.arange(4), scale, rating_NR=rating)
    loss = RankNContrast(negatives=negatives)(pairs)
    assert loss.isfinite()
    assert all(g.isfinite().all() for g in torch.autograd.grad(loss, learnt(pairs)))


# Error relative to float64 on the unrounded embeddings, at a scale of 20; what is left is the rounding of the inputs.
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float16, 5e-4), (torch.bfloat16, 5e-3)])
def test_precision(dtype, tolerance):
    rating = (torch.rand(48, 3, generator=torch.Generator().manual_seed(0)) * 6 + 1).round(decimals=1)
    exact = ContrastiveBatch(
        unit(48, 32, seed=5), unit(48, 32, seed=6), torch.arange(48), torch.tensor(20.0).double(), rating_NR=rating
    )
    rounded = replace(
        exact, audio_NE=exact.audio_NE.to(dtype), text_UE=exact.text_UE.to(dtype), scale=torch.tensor(20.0)
    )
    value = RankNContrast()(rounded)
    assert value.dtype is torch.float32
    assert value.item() == pytest.approx(RankNContrast()(exact).item(), rel=tolerance)


def test_it_needs_ratings_and_says_how_to_get_them():
    pairs = pairs_of(RATINGS["ties"])
    mend = r"set data.split.require to \[valence, arousal\]"
    assert RankNContrast().required_fields == ("rating",)
    with pytest.raises(LossInputError, match=f"got none; {mend}") as found:
        RankNContrast()(replace(pairs, rating_NR=None))
    assert found.value.exit_code == 3
    rating = pairs.rating_NR.clone()
    rating[1, 0] = rating[4, 1] = rating[5, 2] = NAN
    with pytest.raises(LossInputError, match=f"2 of 7 clips of a batch are not rated; {mend}"):
        RankNContrast()(replace(pairs, rating_NR=rating))
    rating[:, 2] = NAN
    assert RankNContrast(["arousal"])(replace(pairs, rating_NR=rating.nan_to_num(3))).isfinite()


def test_an_attribute_that_is_not_used_may_be_missing():
    pairs = pairs_of(RATINGS["ties"])
    rating = pairs.rating_NR.clone()
    rating[:, 2] = NAN
    assert RankNContrast()(replace(pairs, rating_NR=rating)).item() == RankNContrast()(pairs).item()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"distance": "l3"}, "distance is 'l3'; expected 'l2' or 'l1'"),
        ({"negatives": "all"}, "negatives is 'all'; expected 'inclusive' or 'strict'"),
        ({"directions": "text_to_audio"}, "directions is 'text_to_audio'; expected 'audio_to_text' or 'both'"),
        ({"normalizer": "sum"}, "normalizer is 'sum'; expected 'valid' or 'square'"),
        ({"tie_eps": -0.1}, "tie_eps is -0.1; expected a number from 0 to 6"),
        ({"tie_eps": NAN}, "tie_eps is nan; expected a number from 0 to 6"),
        ({"block_rows": 0}, "block_rows is 0; expected 1 or more"),
        ({"attributes": []}, r"attributes is \[\]; expected one or more"),
        ({"attributes": ["arousal", "arousal"]}, "each once"),
        ({"attributes": ["pleasure"]}, "attributes has an item that is 'pleasure'; expected 'valence', 'arousal' or"),
    ],
)
def test_settings_out_of_range_are_refused(kwargs, message):
    with pytest.raises(LossSettingError, match=message):
        RankNContrast(**kwargs)
