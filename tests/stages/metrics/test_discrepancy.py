import math
from itertools import product

import numpy as np
import pytest
import torch

from stages.metrics import discrepancy
from stages.metrics.discrepancy import centroid_gap, median_bandwidth, mmd2, mmd2_of_samples


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
    monkeypatch.setattr(discrepancy, "BLOCK", 4)  # blocks that divide neither side
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
    monkeypatch.setattr(discrepancy, "SUBSAMPLE", 100)
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
def test_fewer_than_two_points_give_nan(n, m):
    assert math.isnan(mmd2(cloud(n), cloud(m)))
    assert math.isnan(centroid_gap(cloud(n), cloud(m)))
    assert all(map(math.isnan, mmd2_of_samples(cloud(5), cloud(5), torch.zeros(3, min(n, m), dtype=torch.int64))))
