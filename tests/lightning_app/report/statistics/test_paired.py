"""Paired tests against scipy and by hand, Holm against a literal loop, and what happens at the edges."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lightning_app.report.statistics.paired import holm, paired


def some_pairs(n, gap=0.3, seed=0):
    draw = np.random.default_rng(seed)
    first = draw.standard_normal(n)
    return first + gap + 0.5 * draw.standard_normal(n), first


def signed_ranks(differences):
    """Two-sided p by listing all signs of the ranks 1 to n; no ties, no zeros."""
    order = sorted(range(len(differences)), key=lambda i: abs(differences[i]))
    rank = {place: number + 1 for number, place in enumerate(order)}
    found = sum(rank[i] for i, d in enumerate(differences) if d > 0)
    half = len(differences) * (len(differences) + 1) / 4
    sums = [sum(r for r, sign in enumerate(signs, 1) if sign) for signs in product((0, 1), repeat=len(differences))]
    return sum(abs(s - half) >= abs(found - half) for s in sums) / len(sums)


@pytest.mark.parametrize("n", [2, 3, 10, 100])
def test_equal_scipy(n):
    first, second = some_pairs(n)
    found = paired(first, second)
    assert found.p_t == pytest.approx(stats.ttest_rel(first, second).pvalue, rel=1e-9)
    assert found.p_wilcoxon == pytest.approx(stats.wilcoxon(first, second).pvalue, rel=1e-9)
    assert (found.n, found.difference) == (n, pytest.approx(np.mean(first - second)))


def test_t_by_hand():
    # Differences 1, 2, 3: t = 2 / (1 / sqrt(3)) with 2 degrees of freedom, whose tail is known in closed form.
    t = 2 * math.sqrt(3)
    assert paired([2, 4, 6], [1, 2, 3]).p_t == pytest.approx(1 - t / math.sqrt(t * t + 2), rel=1e-9)


def test_signed_ranks_by_hand():
    first, second = some_pairs(9)
    assert paired(first, second).p_wilcoxon == pytest.approx(signed_ranks(first - second), abs=1e-12)


def test_ties_in_decimal_numbers_are_ties():
    # 0.3 - 0.1 and 0.4 - 0.2 differ in their last bit, and would have different ranks.
    first, second = [0.3, 0.4, 0.1, 0.9, 0.8], [0.1, 0.2, 0.3, 0.4, 0.2]
    tied = [2, 2, -2, 5, 6]
    assert paired(first, second).p_wilcoxon == pytest.approx(stats.wilcoxon(tied).pvalue, abs=1e-12)


def test_exchanging_the_systems_changes_the_sign_alone():
    first, second = some_pairs(40)
    one, other = paired(first, second), paired(second, first)
    assert (one.p_t, one.p_wilcoxon) == pytest.approx((other.p_t, other.p_wilcoxon))
    assert (one.difference, one.low, one.high) == pytest.approx((-other.difference, -other.high, -other.low))


def test_interval_equals_a_loop_and_covers_the_truth_about_as_often_as_it_says():
    first, second = some_pairs(12)
    found = paired(first, second, samples=50, seed=4)
    drawn = np.random.default_rng(4).integers(12, size=(50, 12))
    means = [np.mean([first[i] - second[i] for i in row]) for row in drawn]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=1e-9)
    tried = [paired(*some_pairs(60, seed=seed), samples=300) for seed in range(100)]
    assert 85 <= sum(one.low < 0.3 < one.high for one in tried) <= 100


def test_differences_that_do_not_vary():
    zero = paired([0.5, 0.6, 0.7], [0.5, 0.6, 0.7])
    assert (zero.difference, zero.low, zero.high, zero.p_t, zero.p_wilcoxon) == (0, 0, 0, 1, 1)
    alike = paired([0.3, 0.4, 0.9], [0.1, 0.2, 0.7])  # 0.2 each, up to rounding
    assert math.isnan(alike.p_t)
    assert alike.p_wilcoxon == pytest.approx(0.25)


def test_too_few_pairs_and_values_that_are_missing():
    nan = float("nan")
    none, one = paired([], []), paired([0.5, nan, math.inf], [0.25, 0.5, 0.5])
    assert (none.n, one.n, one.difference) == (0, 1, 0.25)
    assert all(math.isnan(value) for value in (none.difference, one.low, one.high, one.p_t, one.p_wilcoxon))
    first, second = some_pairs(10)
    assert paired([*first, nan, 1.0], [*second, 1.0, nan]) == paired(first, second)


def literal_holm(p):
    """Step down: the smallest p times the number left, never less than the one before."""
    left = sorted((value, place) for place, value in enumerate(p) if not math.isnan(value))
    corrected = [float("nan")] * len(p)
    largest = 0.0
    while left:
        value, place = left[0]
        largest = max(largest, min(1.0, value * len(left)))
        corrected[place] = largest
        left = left[1:]
    return corrected


@given(st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), max_size=12))
def test_holm_equals_a_literal_loop(p):
    np.testing.assert_allclose(holm(p), literal_holm(p), atol=1e-12)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
