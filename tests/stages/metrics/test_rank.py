import numpy as np
import pytest
import torch
from scipy.stats import kendalltau, spearmanr

from stages.metrics.rank import kendall_tau, spearman_rho


def literal_tau_a(x, y):
    n = len(x)
    return sum(np.sign(x[i] - x[j]) * np.sign(y[i] - y[j]) for i in range(n) for j in range(i)) / (n * (n - 1) / 2)


@pytest.mark.parametrize("levels", [3, 1000], ids=["ties", "no ties"])
def test_kendall_tau_of_each_list(levels):
    draw = torch.Generator().manual_seed(0)
    x, y = (torch.randint(levels, (20, 14), generator=draw).double() for _ in range(2))
    tau_b = [kendalltau(a, b).statistic for a, b in zip(x.numpy(), y.numpy(), strict=True)]
    tau_a = [literal_tau_a(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    assert kendall_tau(x, y).tolist() == pytest.approx(tau_b, abs=1e-10)
    assert kendall_tau(x, y, "a").tolist() == pytest.approx(tau_a, abs=1e-10)


@pytest.mark.parametrize("variant", ["a", "b"])
def test_order_and_its_reverse(variant):
    x = torch.arange(5.0)[None]
    assert kendall_tau(x, x.exp(), variant).tolist() == [1]
    assert kendall_tau(x, -x, variant).tolist() == [-1]


@pytest.mark.parametrize("variant", ["a", "b"])
def test_a_constant_list_has_no_tau_and_leaves_the_others_alone(variant):
    x = torch.arange(3.0).expand(2, -1)
    tau = kendall_tau(x, torch.tensor([[4.0, 4.0, 4.0], [1.0, 2.0, 3.0]]), variant)
    assert tau.isnan().tolist() == [True, False]
    assert tau[1] == 1


@pytest.mark.parametrize("levels", [3, 1000])
def test_spearman_rho(levels):
    draw = torch.Generator().manual_seed(0)
    x, y = (torch.randint(levels, (60,), generator=draw).float() for _ in range(2))
    assert spearman_rho(x, y) == pytest.approx(spearmanr(x.numpy(), y.numpy()).statistic, abs=1e-10)


def test_constant_values_have_no_rho():
    assert np.isnan(spearman_rho(torch.ones(5), torch.arange(5.0)))
    assert np.isnan(spearman_rho(torch.empty(0), torch.empty(0)))
