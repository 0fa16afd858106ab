"""Two ways of doing one thing, timed in turns: what counts is their ratio inside one run."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import comb

LEAST_SECONDS = 0.005


@dataclass(frozen=True)
class Row:
    """One comparison.

    Args:
        name: What is done.
        opponent: The other way of doing it.
        ours: Seconds, median.
        theirs: Seconds, median.
        ratios: Theirs over ours, one for each round; above 1 ours is faster.
        noise: Ours over ours, one for each round: how far from 1 a ratio is by chance.
    """

    name: str
    opponent: str
    ours: float
    theirs: float
    ratios: list[float]
    noise: list[float]


def compare(name: str, opponent: str, ours: Callable[[], object], theirs: Callable[[], object], rounds: int = 9) -> Row:
    """Time both in turns, ``rounds`` times, after a warm-up; the caller has shown that both compute the same."""
    count_ours, count_theirs = _repeats(ours), _repeats(theirs)
    times = [
        (_seconds(ours, count_ours), _seconds(theirs, count_theirs), _seconds(ours, count_ours)) for _ in range(rounds)
    ]
    return Row(
        name,
        opponent,
        statistics.median(first for first, _, _ in times),
        statistics.median(other for _, other, _ in times),
        [other / first for first, other, _ in times],
        [second / first for first, _, second in times],
    )


def median_interval(values: list[float]) -> tuple[float, float]:
    """95 % confidence interval of the median, from order statistics: it assumes no distribution.

    With fewer than six values it is their range, which covers less: 94 % with five, 75 % with three.
    """
    ordered, n = sorted(values), len(values)
    outside, cut = 0.0, 0
    while 2 * (outside + comb(n, cut) / 2**n) <= 0.05:
        outside += comb(n, cut) / 2**n
        cut += 1
    cut = max(cut - 1, 0)
    return ordered[cut], ordered[n - 1 - cut]


def _repeats(call: Callable[[], object]) -> int:
    """Warm up, and find how many calls are long enough for the clock; a slow call is its own warm-up."""
    once = _seconds(call, 1)
    if once < 100 * LEAST_SECONDS:
        once = _seconds(call, 1)
    return max(1, round(LEAST_SECONDS / once))


def _seconds(call: Callable[[], object], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count
