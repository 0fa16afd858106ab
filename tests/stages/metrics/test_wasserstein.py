import math
import sys

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.stats import wasserstein_distance

from stages.errors import MissingExtra
from stages.metrics.wasserstein import dimension_wasserstein, exact_wasserstein, sliced_wasserstein

SIZES = [(2, 2), (6, 6), (4, 6), (7, 5), (3, 40)]


def cloud(n, width=3, shift=0.0, seed=0):
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + shift


def literal_cost(x, y, power):
    """Mass moves from the smallest to the smallest, grain by grain, until all has moved."""
    x, y = sorted(x), sorted(y)
    n, m = len(x), len(y)
    return sum(abs(x[grain // m] - y[grain // n]) ** power for grain in range(n * m)) / (n * m)


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_of_each_dimension(n, m):
    x, y = cloud(n, seed=1), cloud(m, shift=0.4, seed=2)
    literal = np.mean([literal_cost(x[:, d].tolist(), y[:, d].tolist(), 1) for d in range(3)])
    assert dimension_wasserstein(x, y) == pytest.approx(literal, abs=1e-10)
    independent = np.mean([wasserstein_distance(x[:, d].numpy(), y[:, d].numpy()) for d in range(3)])
    assert dimension_wasserstein(x, y) == pytest.approx(independent, abs=1e-10)


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_of_projections(n, m):
    x, y = cloud(n, seed=1), cloud(m, shift=0.4, seed=2)
    draw = torch.Generator().manual_seed(7)
    directions = torch.randn(3, 5, generator=draw, dtype=torch.float64)
    directions /= directions.square().sum(0).sqrt()
    literal = [literal_cost((x @ way).tolist(), (y @ way).tolist(), 2) for way in directions.T]
    assert sliced_wasserstein(x, y, projections=5, seed=7) == pytest.approx(np.mean(literal) ** 0.5, abs=1e-10)


def test_in_one_dimension_sliced_is_the_best_assignment():
    x, y = cloud(9, 1, seed=1), cloud(9, 1, shift=0.3, seed=2)
    cost = (x - y.T).square().numpy()
    expected = cost[linear_sum_assignment(cost)].mean() ** 0.5
    assert sliced_wasserstein(x, y, projections=3) == pytest.approx(expected, abs=1e-10)


def test_exact_is_the_best_assignment_and_bounds_the_sliced_distance():
    pytest.importorskip("ot")
    x, y = cloud(12, 4, seed=1), cloud(12, 4, shift=0.3, seed=2)
    cost = np.array([[((a - b) ** 2).sum() for b in y.numpy()] for a in x.numpy()])
    expected = cost[linear_sum_assignment(cost)].mean() ** 0.5
    assert exact_wasserstein(x, y) == pytest.approx(expected, abs=1e-10)
    assert sliced_wasserstein(x, y) < expected / 4**0.5 * 1.1


def test_sliced_agrees_with_pot():
    ot = pytest.importorskip("ot")
    x, y = cloud(20, seed=1), cloud(13, shift=0.4, seed=2)
    theirs = ot.sliced_wasserstein_distance(x.numpy(), y.numpy(), n_projections=4000, seed=0)
    assert sliced_wasserstein(x, y, projections=4000) == pytest.approx(theirs, rel=0.03)


@pytest.mark.parametrize("distance", [dimension_wasserstein, sliced_wasserstein, exact_wasserstein])
def test_they_are_distances(distance):
    if distance is exact_wasserstein:
        pytest.importorskip("ot")
    x, y = cloud(10, seed=1), cloud(10, shift=0.4, seed=2)
    assert distance(x, x.flip(0)) == pytest.approx(0, abs=1e-7)
    assert distance(x, y) == pytest.approx(distance(y, x), abs=1e-12)
    assert distance(x, y.roll(3, 0)) == pytest.approx(distance(x, y), abs=1e-12)
    assert distance(torch.cat([x, x]), y) == pytest.approx(distance(x, y), abs=1e-10)
    assert distance(2 * x, 2 * y) == pytest.approx(2 * distance(x, y), abs=1e-10)


def test_a_translation_moves_every_point_by_its_length():
    x, step = cloud(10), torch.tensor([3.0, -4.0, 12.0], dtype=torch.float64)
    assert dimension_wasserstein(x, x + step) == pytest.approx(19 / 3, abs=1e-10)
    assert sliced_wasserstein(x, x + step, 4000) == pytest.approx(13 / 3**0.5, rel=0.03)


def test_directions_follow_the_seed_alone():
    x, y = cloud(10, seed=1), cloud(10, seed=2)
    torch.manual_seed(1)
    value = sliced_wasserstein(x, y, 8, seed=5)
    torch.manual_seed(2)
    assert sliced_wasserstein(x, y, 8, seed=5) == value
    assert sliced_wasserstein(x, y, 8, seed=6) != value
    assert sliced_wasserstein(x.float(), y.float(), 8, seed=5) == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize(("n", "m"), [(1, 5), (5, 1), (0, 5)])
def test_fewer_than_two_points_give_nan(n, m):
    assert math.isnan(dimension_wasserstein(cloud(n), cloud(m)))
    assert math.isnan(sliced_wasserstein(cloud(n), cloud(m)))
    pytest.importorskip("ot")
    assert math.isnan(exact_wasserstein(cloud(n), cloud(m)))


def test_a_missing_package_is_named_with_its_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "ot", None)
    with pytest.raises(MissingExtra, match=r'POT \(MIT\).*pip install "emoclap\[report\]"') as caught:
        exact_wasserstein(cloud(3), cloud(3))
    assert caught.value.exit_code == 4
