import math
import sys
from itertools import product

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.stats import wasserstein_distance

from stages.errors import MissingExtra
from stages.metrics import distances
from stages.metrics.distances import (
    centroid_gap,
    dimension_wasserstein,
    exact_wasserstein,
    median_bandwidth,
    mmd2,
    mmd2_of_samples,
    sliced_wasserstein,
)


def cloud(n, width=3, shift=0.0, seed=0, dtype=torch.float64):
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed), dtype=dtype) + shift


def literal_mmd2(x, y, bandwidths):
    """Equation 3 of Gretton et al., pair by pair."""

    def kernel(a, b):
        square = sum((p - q) ** 2 for p, q in zip(a, b, strict=True))
        return sum(math.exp(-square / (2 * s * s)) for s in bandwidths) / len(bandwidths)

    x, y = x.tolist(), y.tolist()
    n, m = len(x), len(y)
    within_x = sum(kernel(x[i], x[j]) for i, j in product(range(n), repeat=2) if i != j) / (n * (n - 1))
    within_y = sum(kernel(y[i], y[j]) for i, j in product(range(m), repeat=2) if i != j) / (m * (m - 1))
    return within_x + within_y - 2 * sum(kernel(a, b) for a, b in product(x, y)) / (n * m)


@pytest.mark.parametrize("bandwidth", [0.7, [0.3, 1.0, 4.0]])
@pytest.mark.parametrize(("n", "m"), [(2, 2), (7, 12), (12, 7), (9, 9)])
def test_mmd2_is_the_sum_over_pairs(n, m, bandwidth, monkeypatch):
    monkeypatch.setattr(distances, "BLOCK", 4)  # blocks that divide neither side
    x, y = cloud(n, seed=1), cloud(m, shift=0.5, seed=2)
    expected = literal_mmd2(x, y, bandwidth if isinstance(bandwidth, list) else [bandwidth])
    assert mmd2(x, y, bandwidth) == pytest.approx(expected, abs=1e-10)


def test_without_a_bandwidth_it_is_the_median_distance_of_both_clouds_together():
    x, y = cloud(8, seed=1), cloud(5, shift=1, seed=2)
    points = torch.cat([x, y]).numpy()
    distances = [np.linalg.norm(points[i] - points[j]) for i in range(13) for j in range(i)]
    assert median_bandwidth(torch.cat([x, y])) == pytest.approx(np.median(distances), abs=1e-10)
    assert mmd2(x, y) == pytest.approx(literal_mmd2(x, y, [np.median(distances)]), abs=1e-10)


def test_of_many_points_the_bandwidth_is_a_samples_and_the_same_each_time(monkeypatch):
    points = cloud(400)
    whole = median_bandwidth(points)
    monkeypatch.setattr(distances, "SUBSAMPLE", 100)
    sample = median_bandwidth(points)
    assert sample != whole
    assert sample == pytest.approx(whole, rel=0.1)
    assert median_bandwidth(points) == sample
    assert median_bandwidth(points, seed=1) != sample


@pytest.mark.parametrize(("points", "expected"), [([0, 0, 0, 0, 4], 1.6), ([2, 2, 2], 1.0), ([3], 1.0)])
def test_the_bandwidth_is_never_zero(points, expected):
    assert median_bandwidth(torch.tensor(points, dtype=torch.float64)[:, None]) == pytest.approx(expected)


def test_one_distribution_gives_zero_on_average_and_two_do_not():
    """Unbiased: over many draws the mean is 0 within three standard errors; the biased form is 0.03 above."""
    same = torch.tensor([mmd2(cloud(30, seed=2 * k), cloud(30, seed=2 * k + 1), 1.0) for k in range(200)])
    assert abs(float(same.mean())) < 3 * float(same.std()) / 200**0.5
    assert (same < 0).any()
    assert mmd2(cloud(30), cloud(30, shift=1, seed=1), 1.0) > 0.1


def test_it_is_symmetric_and_blind_to_the_order_and_place_of_points():
    x, y = cloud(20, seed=1), cloud(11, shift=0.3, seed=2)
    value = mmd2(x, y)
    assert mmd2(y, x) == pytest.approx(value, abs=1e-12)
    assert mmd2(x.flip(0), y[torch.randperm(11, generator=torch.Generator().manual_seed(0))]) == pytest.approx(
        value, abs=1e-12
    )
    assert mmd2(x + 1000, y + 1000) == pytest.approx(value, abs=1e-9)


def test_single_precision_keeps_six_digits_of_unit_vectors_that_lie_close():
    x, y = (
        torch.nn.functional.normalize(cloud(600, 64, shift=20, seed=seed) + gap, dim=1)
        for seed, gap in ((1, 0.0), (2, cloud(1, 64, seed=3) / 5))
    )
    assert mmd2(x, y) > 1e-3
    assert mmd2(x.float(), y.float()) == pytest.approx(mmd2(x, y), abs=1e-6)


@pytest.mark.parametrize("count", [30, 200], ids=["one pass", "a pass for each sample"])
def test_samples_give_what_each_gives_alone(count):
    x, y = cloud(count, seed=1), cloud(count, shift=0.4, seed=2)
    draw = torch.Generator().manual_seed(0)
    rows = torch.stack([torch.randperm(count, generator=draw)[:20] for _ in range(5)])
    s = median_bandwidth(torch.cat([x, y]))
    expected = [literal_mmd2(x[row], y[row], [s]) for row in rows]
    assert mmd2_of_samples(x, y, rows) == pytest.approx(expected, abs=1e-10)


def test_a_row_may_be_drawn_twice():
    x, y = cloud(6, seed=1), cloud(6, seed=2)
    rows = torch.tensor([[0, 0, 3, 5], [1, 1, 1, 2], [0, 1, 2, 3]])
    expected = [literal_mmd2(x[row], y[row], [0.9]) for row in rows]
    assert mmd2_of_samples(x, y, rows, 0.9) == pytest.approx(expected, abs=1e-10)


def test_centroid_gap_is_the_distance_of_the_means():
    x = torch.tensor([[0.0, 0.0], [2.0, 0.0]])
    y = torch.tensor([[1.0, 3.0], [1.0, 5.0], [-2.0, 4.0], [-8.0, 4.0]])
    assert centroid_gap(x, y) == pytest.approx(5)


@pytest.mark.parametrize(("n", "m"), [(1, 5), (5, 1), (0, 5), (0, 0)])
def test_mmd_of_fewer_than_two_points_is_nan(n, m):
    assert math.isnan(mmd2(cloud(n), cloud(m)))
    assert math.isnan(centroid_gap(cloud(n), cloud(m)))
    assert all(map(math.isnan, mmd2_of_samples(cloud(5), cloud(5), torch.zeros(3, min(n, m), dtype=torch.int64))))


SIZES = [(2, 2), (6, 6), (4, 6), (7, 5), (3, 40)]


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
def test_wasserstein_distances_of_fewer_than_two_points_are_nan(n, m):
    assert math.isnan(dimension_wasserstein(cloud(n), cloud(m)))
    assert math.isnan(sliced_wasserstein(cloud(n), cloud(m)))
    pytest.importorskip("ot")
    assert math.isnan(exact_wasserstein(cloud(n), cloud(m)))


def test_a_missing_package_is_named_with_its_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "ot", None)
    with pytest.raises(MissingExtra, match=r'POT \(MIT\).*pip install "emoclap\[report\]"') as caught:
        exact_wasserstein(cloud(3), cloud(3))
    assert caught.value.exit_code == 4
