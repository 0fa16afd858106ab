import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from losses.arcface import ArcFaceLoss
from losses.errors import LossSettingError


def reference(cosine: np.ndarray, label: list[int], scale: float, margin: float) -> float:
    """By the angle itself, one row at a time."""
    terms = []
    for row, y in zip(cosine, label, strict=True):
        theta = math.acos(row[y])
        beyond = theta > math.pi - margin
        logit = scale * row
        logit[y] = scale * (row[y] - margin * math.sin(margin) if beyond else math.cos(theta + margin))
        terms.append(math.log(np.exp(logit).sum()) - logit[y])
    return float(np.mean(terms))


COSINES = st.floats(-0.999, 0.999)


@settings(deadline=None, max_examples=100)
@given(
    rows=st.lists(st.tuples(COSINES, COSINES, COSINES, st.integers(0, 2)), min_size=1, max_size=6),
    scale=st.floats(0.1, 64),
    margin=st.floats(0, 1.5),
)
def test_equals_the_reference(rows, scale, margin):
    cosine, label = np.array([row[:3] for row in rows]), [row[3] for row in rows]
    ours = ArcFaceLoss(scale, margin)(torch.from_numpy(cosine), torch.tensor(label)).item()
    assert ours == pytest.approx(reference(cosine.copy(), label, scale, margin), abs=1e-10)


def test_gradient_equals_that_of_the_angle():
    """For own cosines on both sides of pi - margin."""
    cosine = torch.tensor([[0.7, -0.2], [0.1, -0.95], [-0.5, 0.3]], dtype=torch.float64, requires_grad=True)
    label = torch.tensor([0, 1, 0])
    own = cosine.gather(1, label[:, None])
    beyond = own < -math.cos(0.5)
    assert beyond.flatten().tolist() == [False, True, False]
    widened = torch.where(beyond, own - 0.5 * math.sin(0.5), torch.cos(torch.acos(own) + 0.5))
    expected = torch.autograd.grad(F.cross_entropy(5 * cosine.scatter(1, label[:, None], widened), label), cosine)[0]
    ours = torch.autograd.grad(ArcFaceLoss()(cosine, label), cosine)[0]
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-10)


def test_without_margin_it_is_cross_entropy_exactly():
    cosine = torch.linspace(-1, 1, 40).reshape(8, 5)
    label = torch.arange(8) % 5
    assert ArcFaceLoss(5.0, 0.0)(cosine, label).item() == F.cross_entropy(5 * cosine, label).item()


@pytest.mark.parametrize("margin", [0.1, 0.5, 1.0, math.pi / 2])
def test_falls_as_the_own_cosine_rises_also_beyond_pi_minus_margin(margin):
    own = torch.linspace(-1, 1, 2001, dtype=torch.float64)
    loss = [ArcFaceLoss(5.0, margin)(torch.tensor([[c, 0.0]], dtype=torch.float64), torch.tensor([0])) for c in own]
    assert (torch.stack(loss).diff() < 0).all()


@pytest.mark.parametrize("margin", [0.1, 0.5, 1.0])
def test_a_margin_never_lowers_the_loss(margin):
    cosine, label = torch.linspace(-1, 1, 40).reshape(8, 5), torch.arange(8) % 5
    assert ArcFaceLoss(5.0, margin)(cosine, label) > ArcFaceLoss(5.0, 0.0)(cosine, label)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("own", [1.0, -1.0, 1 - 2**-24, -1 + 2**-24, 1 + 2**-23, -1 - 2**-23])
def test_gradients_are_finite_at_and_beyond_the_ends(own, dtype):
    """A cosine may leave [-1, 1] by a rounding error."""
    cosine = torch.tensor([[own, -own, own]], dtype=dtype, requires_grad=True)
    loss = ArcFaceLoss(64.0, 0.5)(cosine, torch.tensor([0]))
    assert loss.isfinite()
    assert torch.autograd.grad(loss, cosine)[0].isfinite().all()


def test_value_at_the_ends():
    label = torch.tensor([0])
    for own, widened in ((1.0, math.cos(0.5)), (-1.0, -1 - 0.5 * math.sin(0.5))):
        loss = ArcFaceLoss()(torch.tensor([[own, 0.0]], dtype=torch.float64), label).item()
        assert loss == pytest.approx(math.log1p(math.exp(-5 * widened)), abs=1e-10)


def test_weights_learn_from_a_cosine_of_one():
    """Through the normalisation the steep slope of the cosine's end is harmless: gradients stay small."""
    weight = torch.tensor([[1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    feature = F.normalize(torch.tensor([[1.0, 1e-4], [1e-4, 1.0]]))
    loss = ArcFaceLoss()(feature @ F.normalize(weight).T, torch.arange(2))
    assert torch.autograd.grad(loss, weight)[0].abs().max() < 5


def test_a_single_class_costs_nothing():
    cosine = torch.tensor([[0.3], [-1.0]], requires_grad=True)
    loss = ArcFaceLoss()(cosine, torch.tensor([0, 0]))
    assert loss.item() == 0
    assert torch.equal(torch.autograd.grad(loss, cosine)[0], torch.zeros(2, 1))


def test_order_is_irrelevant():
    cosine, label = torch.linspace(-0.9, 0.9, 40, dtype=torch.float64).reshape(8, 5), torch.arange(8) % 5
    rows, classes = torch.tensor([3, 7, 0, 5, 1, 6, 2, 4]), torch.tensor([4, 2, 0, 1, 3])
    other = ArcFaceLoss()(cosine[rows][:, classes], classes.argsort()[label][rows])
    assert other.item() == pytest.approx(ArcFaceLoss()(cosine, label).item(), abs=1e-10)


# Relative to float64 on the unrounded cosines.
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float16, 5e-4), (torch.bfloat16, 5e-3)])
def test_precision(dtype, tolerance):
    cosine = torch.rand(40, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1
    exact = ArcFaceLoss()(cosine, torch.arange(40) % 4).item()
    assert ArcFaceLoss()(cosine.to(dtype), torch.arange(40) % 4).item() == pytest.approx(exact, rel=tolerance)


@pytest.mark.parametrize("setting", [{"scale": 0.0}, {"scale": math.inf}, {"margin": -0.1}, {"margin": 2.0}])
def test_settings_out_of_range_are_refused(setting):
    (name,) = setting
    with pytest.raises(LossSettingError, match=f"ArcFaceLoss: {name} is .*; expected"):
        ArcFaceLoss(**setting)
