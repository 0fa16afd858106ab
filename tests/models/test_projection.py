import math

import pytest
import torch
from torch import nn

from models.projection import LinearProjection, LinearReluProjection, MlpProjection, ResidualProjection, unit


def test_mlp_equals_reference() -> None:
    projection = MlpProjection(6, 4).double()
    w = projection.state_dict()
    x = torch.randn(5, 6, dtype=torch.float64)
    hidden = (x @ w["0.weight"].T + w["0.bias"]).clamp(min=0)
    torch.testing.assert_close(projection(x), hidden @ w["2.weight"].T + w["2.bias"], atol=1e-12, rtol=0)


def test_linear_relu_equals_reference_and_is_never_negative() -> None:
    projection = LinearReluProjection(6, 4).double()
    w = projection.state_dict()
    x = torch.randn(50, 6, dtype=torch.float64)
    linear = x @ w["0.weight"].T + w["0.bias"]
    torch.testing.assert_close(projection(x), linear.where(linear > 0, 0.0), atol=1e-12, rtol=0)
    assert linear.min() < 0 <= projection(x).min()


def test_linear_equals_reference() -> None:
    projection = LinearProjection(6, 4).double()
    w = projection.state_dict()
    x = torch.randn(5, 6, dtype=torch.float64)
    torch.testing.assert_close(projection(x), x @ w["weight"].T + w["bias"], atol=1e-12, rtol=0)


def test_residual_equals_reference() -> None:
    projection = ResidualProjection(6, 4).double().eval()
    torch.nn.init.normal_(projection.layer_norm.weight)
    torch.nn.init.normal_(projection.layer_norm.bias)
    w = projection.state_dict()
    x = torch.randn(5, 6, dtype=torch.float64)
    first = x @ w["linear1.weight"].T
    total = first + (first * (1 + torch.erf(first / math.sqrt(2))) / 2) @ w["linear2.weight"].T
    unit = (total - total.mean(1, keepdim=True)) / (total.var(1, keepdim=True, correction=0) + 1e-5).sqrt()
    expected = unit * w["layer_norm.weight"] + w["layer_norm.bias"]
    torch.testing.assert_close(projection(x), expected, atol=1e-10, rtol=0)


def test_residual_drops_out_in_training_only() -> None:
    projection, x = ResidualProjection(16, 16), torch.randn(4, 16)
    assert not torch.equal(projection(x), projection(x))
    projection.eval()
    assert torch.equal(projection(x), projection(x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_rows_have_length_one_to_float32_whatever_the_input(dtype: torch.dtype) -> None:
    x = torch.randn(50, 3, 64, generator=torch.Generator().manual_seed(0)).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rows = unit(x)
    assert rows.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(rows.norm(dim=-1), torch.ones(50, 3, dtype=rows.dtype), atol=1e-6, rtol=0)
    torch.testing.assert_close(rows, nn.functional.normalize(x.to(rows.dtype), dim=-1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_a_row_of_zeros_stays_zero_and_its_gradient_finite(dtype: torch.dtype) -> None:
    x = torch.zeros(2, 8, dtype=dtype)
    x[1] = 0.5
    x.requires_grad_()
    rows = unit(x)
    assert (rows[0] == 0).all()
    (rows * torch.arange(8)).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert x.grad[1].abs().max() > 0


def test_gradient_equals_that_of_finite_differences() -> None:
    x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(unit, x)
