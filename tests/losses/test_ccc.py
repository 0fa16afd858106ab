import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from losses.ccc import ConcordanceLoss

NAN = float("nan")


def literal(predicted: Tensor, rating: Tensor) -> Tensor:
    """Lin's coefficient, attribute by attribute and clip by clip."""
    losses = []
    for column in range(rating.shape[1]):
        rows = [i for i in range(len(rating)) if not math.isnan(rating[i, column])]
        if not rows:
            continue
        x, y = [predicted[i, column] for i in rows], [rating[i, column] for i in rows]
        mean_x, mean_y = sum(x) / len(rows), sum(y) / len(rows)
        covariance = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / len(rows)
        spread = sum((a - mean_x) ** 2 + (b - mean_y) ** 2 for a, b in zip(x, y, strict=True)) / len(rows)
        losses.append(1 - 2 * covariance / (spread + (mean_x - mean_y) ** 2))
    return sum(losses) / len(losses)


RATINGS = {
    "complete": [[1.0, 4.2, 3.0], [2.5, 4.0, 6.0], [7.0, 1.2, 5.5], [3.3, 3.9, 1.0]],
    "some are missing": [[1.0, NAN, 3.0], [2.5, 4.0, NAN], [7.0, 1.2, NAN], [NAN, 3.9, 1.0]],
    "an attribute is missing": [[1.0, NAN, 3.0], [2.5, NAN, 2.0], [7.0, NAN, 3.0]],
    "two clips": [[1.0, 4.2, 3.0], [2.5, 4.0, 6.0]],
    "one attribute": [[1.0], [2.5], [7.0]],
    "constant ratings": [[4.0, 4.0, 4.0]] * 3,
}


@pytest.mark.parametrize("rating", RATINGS.values(), ids=RATINGS)
def test_equals_the_definition_in_value_and_gradient(rating):
    rating = torch.tensor(rating, dtype=torch.float64)
    draw = torch.Generator().manual_seed(0)
    predicted = (torch.rand(rating.shape, generator=draw, dtype=torch.float64) * 6 + 1).requires_grad_()
    ours, theirs = ConcordanceLoss()(predicted, rating), literal(predicted, rating)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-10)
    left, right = (torch.autograd.grad(value, predicted)[0] for value in (ours, theirs))
    torch.testing.assert_close(left, right, rtol=0, atol=1e-10)


def test_agreement_disagreement_and_a_shift():
    rating = torch.tensor([[1.0], [4.0], [7.0]])
    assert ConcordanceLoss()(rating, rating).item() == pytest.approx(0)
    assert ConcordanceLoss()(8 - rating, rating).item() == pytest.approx(2)
    assert ConcordanceLoss()(rating + 1, rating).item() == pytest.approx(1 - 12 / 13)


@pytest.mark.parametrize(
    ("predicted", "rating"),
    [
        ([[3.0]], [[5.0]]),
        ([[5.0]], [[5.0]]),
        ([[4.0], [4.0]], [[4.0], [4.0]]),
        ([[4.0], [4.0]], [[2.0], [2.0]]),
        ([[1.0], [4.0]], [[NAN], [3.0]]),
    ],
)
def test_what_does_not_vary_costs_one_and_teaches_nothing(predicted, rating):
    predicted = torch.tensor(predicted, requires_grad=True)
    loss = ConcordanceLoss()(predicted, torch.tensor(rating))
    assert loss.item() == 1
    assert torch.equal(torch.autograd.grad(loss, predicted)[0], torch.zeros_like(predicted))


@pytest.mark.parametrize("clips", [0, 2])
def test_without_any_rating_it_is_zero_and_stays_in_the_graph(clips):
    predicted = torch.ones(clips, 3, requires_grad=True)
    loss = ConcordanceLoss()(predicted, torch.full((clips, 3), NAN))
    assert loss.item() == 0
    assert torch.equal(torch.autograd.grad(loss, predicted)[0], torch.zeros(clips, 3))


def test_constant_predictions_can_still_learn():
    predicted = torch.full((3, 1), 4.0, requires_grad=True)
    loss = ConcordanceLoss()(predicted, torch.tensor([[1.0], [4.0], [7.0]]))
    (gradient,) = torch.autograd.grad(loss, predicted)
    assert gradient[0] > 0 > gradient[2]


@settings(deadline=None, max_examples=40)
@given(
    clips=st.lists(
        st.tuples(st.floats(1, 7), st.one_of(st.floats(1, 7), st.just(NAN))).map(lambda x: list(map(float, x))),
        min_size=1,
        max_size=9,
    ),
    order=st.randoms(),
)
def test_it_is_bounded_finite_and_whatever_the_order(clips, order):
    x = torch.tensor(clips, dtype=torch.float64)
    predicted, rating = x[:, :1].requires_grad_(), x[:, 1:]
    rows = list(range(len(clips)))
    order.shuffle(rows)
    loss = ConcordanceLoss()(predicted, rating)
    assert -1e-9 <= loss.item() <= 2 + 1e-9
    assert ConcordanceLoss()(predicted[rows], rating[rows]).item() == pytest.approx(loss.item(), abs=1e-9)
    assert torch.autograd.grad(loss, predicted)[0].isfinite().all()


# Absolute, against float64 on the unrounded predictions.
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float16, 1e-3), (torch.bfloat16, 1e-2)])
def test_precision(dtype, tolerance):
    draw = torch.Generator().manual_seed(0)
    predicted, rating = (torch.rand(64, 3, generator=draw, dtype=torch.float64) * 6 + 1 for _ in range(2))
    value = ConcordanceLoss()(predicted.to(dtype), rating.float())
    assert value.dtype is torch.float32
    assert value.item() == pytest.approx(ConcordanceLoss()(predicted, rating).item(), abs=tolerance)
