"""The benchmark at a tiny size: both ways agree there, and a wrong one is found out. Nothing is asserted of times."""

import pytest
import torch

from benchmarks import alignment

TINY = {"small": (60, 3, 50), "large": (30, 4, 24), "width": 8, "rounds": 2, "large_rounds": 1}


def test_both_ways_agree():
    rows = alignment.run(**TINY)
    assert [(row.opponent, len(row.ratios)) for row in rows] == [
        ("whole kernel in memory", 2),
        ("a pass for each sample", 1),
    ]
    assert all(min(row.ours, row.theirs, *row.ratios, *row.noise) > 0 for row in rows)


@pytest.mark.parametrize("name", ["mmd2_of_samples", "sliced_wasserstein"])
def test_a_wrong_value_is_found_out(name, monkeypatch):
    right = getattr(alignment, name)
    monkeypatch.setattr(alignment, name, lambda *given: (1.01 * torch.tensor(right(*given))).tolist())
    with pytest.raises(AssertionError):
        alignment.run(**TINY)
