import math

import torch

from models.projection import LinearProjection, LinearReluProjection, MlpProjection, ResidualProjection


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
