import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from losses.errors import LossSettingError
from losses.prompts import ContextDiversity, PromptCrossEntropy, PromptRanking, mean_pairwise_cosine

LABEL = [2, 0, 0, 1, 3]


def unit(*shape: int, seed: int) -> Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return F.normalize(x, dim=-1)


def printed_cross_entropy(text: Tensor, label: list[int], prompt: Tensor, scale: Tensor) -> Tensor:
    """Equation 1 with the exponential, summed over contexts as well."""
    total = torch.zeros((), dtype=torch.float64)
    for context in prompt:
        for t, y in zip(text, label, strict=True):
            total = total - torch.log(
                torch.exp(scale * (t @ context[y])) / sum(torch.exp(scale * (t @ u)) for u in context)
            )
    return total


def printed_ranking(text: Tensor, label: list[int], prompt: Tensor, margin: float) -> Tensor:
    """Equation 2, summed over contexts as well."""
    total = torch.zeros((), dtype=torch.float64)
    for context in prompt:
        for t, y in zip(text, label, strict=True):
            for j in range(len(context)):
                if j != y:
                    total = total + torch.clamp(margin - t @ context[y] + t @ context[j], min=0)
    return total


@pytest.mark.parametrize("contexts", [1, 3])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("margin", [None, 0.0, 0.2, 1.0], ids=["L_CLS", "L_RANK 0", "L_RANK 0.2", "L_RANK 1"])
def test_equals_the_printed_equation_in_value_and_gradients(contexts, reduction, margin):
    values, gradients = [], []
    for printed in (False, True):
        text, prompt = unit(5, 6, seed=0).requires_grad_(), unit(contexts, 4, 6, seed=1).requires_grad_()
        scale = torch.tensor(9.0, dtype=torch.float64, requires_grad=True)
        learnt = (text, prompt) if margin is not None else (text, prompt, scale)
        if printed:
            value = (
                printed_cross_entropy(text, LABEL, prompt, scale)
                if margin is None
                else printed_ranking(text, LABEL, prompt, margin)
            )
            value = value / (len(text) * contexts) if reduction == "mean" else value
        elif margin is None:
            value = PromptCrossEntropy(reduction)(text, torch.tensor(LABEL), prompt, scale)
        else:
            value = PromptRanking(margin, reduction)(text, torch.tensor(LABEL), prompt)
        values.append(value.item())
        gradients.append(torch.autograd.grad(value, learnt))
    assert values[0] == pytest.approx(values[1], abs=1e-10)
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


def test_ranking_is_zero_once_the_margin_is_kept():
    text = torch.eye(3)
    assert PromptRanking(1.0)(text, torch.arange(3), torch.eye(3)[None]).item() == 0
    assert PromptRanking(1.5)(text, torch.arange(3), torch.eye(3)[None]).item() == pytest.approx(2 * 0.5)


def test_equal_prompts_cost_the_logarithm_of_the_classes_and_the_margins():
    text, label, prompt = unit(5, 6, seed=0), torch.tensor(LABEL), unit(1, 1, 6, seed=1).expand(3, 4, 6)
    assert PromptCrossEntropy()(text, label, prompt, torch.tensor(50.0)).item() == pytest.approx(math.log(4))
    assert PromptRanking()(text, label, prompt).item() == pytest.approx(3)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**31),
    label=st.lists(st.integers(0, 3), min_size=1, max_size=6),
    order=st.permutations(range(4)),
    contexts=st.integers(1, 3),
)
def test_order_of_classes_contexts_and_texts_is_irrelevant(seed, label, order, contexts):
    text, prompt, scale = unit(len(label), 5, seed=seed), unit(contexts, 4, 5, seed=seed + 1), torch.tensor(10.0)
    label = torch.tensor(label)
    other = (text.flip(0), torch.tensor(order).argsort()[label].flip(0), prompt[:, order].flip(0))
    for loss, more in ((PromptCrossEntropy(), (scale,)), (PromptRanking(), ())):
        value = loss(text, label, prompt, *more).item()
        assert value >= 0
        assert value == pytest.approx(loss(*other, *more).item(), abs=1e-10)
    assert PromptRanking()(text, label, prompt).item() <= 3 * 3


@pytest.mark.parametrize("classes", [1, 2])
def test_gradients_are_finite_at_cosines_of_one_and_minus_one(classes):
    text = torch.tensor([[1.0, 0.0]], requires_grad=True)
    prompt = torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]])[:, :classes].requires_grad_()
    label = torch.tensor([classes - 1])
    loss = PromptCrossEntropy()(text, label, prompt, torch.tensor(100.0)) + PromptRanking()(text, label, prompt)
    assert loss.item() == (0 if classes == 1 else 200 + 3)
    assert all(g.isfinite().all() for g in torch.autograd.grad(loss, (text, prompt)))


# Relative to float64 on the unrounded embeddings, at a scale of 20.
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float16, 1e-3), (torch.bfloat16, 1e-2)])
def test_precision(dtype, tolerance):
    text, prompt, label, scale = unit(40, 16, seed=0), unit(3, 4, 16, seed=1), torch.arange(40) % 4, torch.tensor(20.0)
    rounded = (text.to(dtype), label, prompt.to(dtype))
    exact = PromptCrossEntropy()(text, label, prompt, scale).item()
    assert PromptCrossEntropy()(*rounded, scale).item() == pytest.approx(exact, rel=tolerance)
    exact = PromptRanking()(text, label, prompt).item()
    assert PromptRanking()(*rounded).item() == pytest.approx(exact, rel=tolerance)


def test_settings_out_of_range_are_refused():
    with pytest.raises(LossSettingError, match=r"margin is -0.1; expected 0 or more"):
        PromptRanking(margin=-0.1)
    for loss in (PromptRanking, PromptCrossEntropy):
        with pytest.raises(LossSettingError, match="reduction is 'max'; expected 'mean' or 'sum'"):
            loss(reduction="max")


def reference_cosine(x: np.ndarray, absolute: bool) -> float:
    cosines = [x[k] @ x[j] / np.linalg.norm(x[k]) / np.linalg.norm(x[j]) for k in range(len(x)) for j in range(k)]
    return float(np.mean(np.abs(cosines) if absolute else cosines))


@settings(deadline=None, max_examples=40)
@given(contexts=st.integers(2, 7), seed=st.integers(0, 2**31), order=st.randoms())
def test_cosines_equal_the_reference_within_bounds_and_whatever_the_order_and_length(contexts, seed, order):
    x = torch.randn(contexts, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    rows = list(range(contexts))
    order.shuffle(rows)
    scaled = x[rows] * torch.arange(1, contexts + 1)[:, None]
    for function, absolute in ((ContextDiversity(), True), (mean_pairwise_cosine, False)):
        value = function(x).item()
        assert value == pytest.approx(reference_cosine(x.numpy(), absolute), abs=1e-10)
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
def test_precision_of_the_diversity(dtype, tolerance):
    x = torch.randn(12, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert ContextDiversity()(x.to(dtype)).item() == pytest.approx(ContextDiversity()(x).item(), abs=tolerance)
