"""Kept features at a tiny size: both ways agree there, and wrong features are found out."""

import numpy as np
import pytest

from benchmarks import kept_features
from lightning_app.features.keeper import FeatureKeeper, Kept

TINY = {"clips": 6, "seconds": 0.8, "epochs": 2, "rounds": 2}


def test_both_ways_are_measured() -> None:
    rows = kept_features.run(**TINY)
    assert [row.name.rpartition(", ")[2] for row in rows] == ["first pass included", "there from before"]
    for row in rows:
        assert len(row.ratios) == len(row.noise) == 2
        assert min(row.ours, row.theirs, *row.ratios, *row.noise) > 0


def test_features_of_other_clips_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    of_clips = FeatureKeeper.of_clips

    def reversed_rows(keeper, *arguments):
        kept = of_clips(keeper, *arguments)
        return Kept(np.ascontiguousarray(kept.rows[::-1]), kept.bad)

    monkeypatch.setattr(FeatureKeeper, "of_clips", reversed_rows)
    with pytest.raises(AssertionError):
        kept_features.run(**TINY)
