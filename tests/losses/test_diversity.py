import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from losses.diversity import ContextDiversity, mean_pairwise_cosine


def reference(x: np.ndarray, absolute: bool) -> float:
    cosines = [x[k] @ x[j] / np.linalg.norm(x[k]) / np.linalg.norm(x[j]) for k in range(len(x)) for j in range(k)]
    return float(np.mean(np.abs(cosines) if absolute else cosines))


@settings(deadline=None, max_examples=40)
@given(contexts=st.integers(2, 7), seed=st.integers(0, 2**31), order=st.randoms())
def test_equal_the_reference_within_bounds_and_whatever_the_order_and_length(contexts, seed, order):
    x = torch.randn(contexts, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    rows = list(range(contexts))
    order.shuffle(rows)
    scaled = x[rows] * torch.arange(1, contexts + 1)[:, None]
    for function, absolute in ((ContextDiversity(), True), (mean_pairwise_cosine, False)):
        value = function(x).item()
        assert value == pytest.approx(reference(x.numpy(), absolute), abs=1e-10)
        assert function(scaled).item() == pytest.approx(value, abs=1e-10)
        assert (0 if absolute else -1) <= value <= 1


def test_opposite_contexts_are_alike_to_the_loss_and_not_to_the_report():
    x = torch.tensor([[1.0, 0.0], [-2.0, 0.0]])
    assert ContextDiversity()(x).item() == pytest.approx(1)
    assert mean_pairwise_cosine(x).item() == pytest.approx(-1)


def test_a_single_context_costs_nothing():
    x = torch.ones(1, 4, requires_grad=True)
    loss = ContextDiversity()(x)
    assert loss.item() == mean_pairwise_cosine(x).item() == 0
    assert torch.equal(torch.autograd.grad(loss, x)[0], torch.zeros(1, 4))


def test_descent_drives_contexts_apart():
    x = torch.randn(4, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    before = ContextDiversity()(x).item()
    for _ in range(50):
        (gradient,) = torch.autograd.grad(ContextDiversity()(x), x)
        x = (x - 0.5 * gradient).detach().requires_grad_()
    assert ContextDiversity()(x).item() < 0.3 * before


@pytest.mark.parametrize("rows", [[[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [-1.0, 0.0]], [[0.0, 0.0], [1.0, 0.0]]])
def test_gradients_are_finite_for_equal_opposite_and_zero_contexts(rows):
    x = torch.tensor(rows, requires_grad=True)
    assert torch.autograd.grad(ContextDiversity()(x), x)[0].isfinite().all()


# Absolute, against float64 on the unrounded features.
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float16, 5e-4), (torch.bfloat16, 5e-3)])
def test_precision(dtype, tolerance):
    x = torch.randn(12, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert ContextDiversity()(x.to(dtype)).item() == pytest.approx(ContextDiversity()(x).item(), abs=tolerance)
