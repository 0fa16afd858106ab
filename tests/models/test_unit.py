import pytest
import torch
from torch import nn

from models.unit import unit


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
