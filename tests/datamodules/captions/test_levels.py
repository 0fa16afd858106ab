import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.captions.levels import Thresholds
from datamodules.errors import DataError


def levels(thresholds: Thresholds, numbers) -> list[str]:
    return [thresholds.level("x", number) for number in numbers]


def test_thirty_forty_thirty():
    numbers = np.random.default_rng(0).permutation(1000).astype(float)
    found = levels(Thresholds.fit(pd.DataFrame({"x": numbers})), numbers)
    assert [found.count(level) for level in ("low", "middle", "high")] == [300, 400, 300]
    assert Thresholds.fit(pd.DataFrame({"x": numbers})).bounds["x"] == pytest.approx(
        tuple(np.quantile(numbers, [0.3, 0.7]))
    )


def test_a_bound_itself_is_low_or_high():
    assert levels(Thresholds({"x": (3.0, 5.0)}), [3.0, 3.01, 4.99, 5.0]) == ["low", "middle", "middle", "high"]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_levels_follow_the_order_of_numbers(numbers):
    thresholds = Thresholds.fit(pd.DataFrame({"x": numbers}))
    found = [("low", "middle", "high").index(level) for level in levels(thresholds, sorted(numbers))]
    assert found == sorted(found)


def test_alike_numbers_are_middle():
    thresholds = Thresholds.fit(pd.DataFrame({"x": [2.0, 2.0, 2.0]}))
    assert levels(thresholds, [1.0, 2.0, 3.0]) == ["low", "middle", "high"]


def test_one_number_is_middle_and_two_are_low_and_high():
    assert levels(Thresholds.fit(pd.DataFrame({"x": [2.0]})), [2.0]) == ["middle"]
    assert levels(Thresholds.fit(pd.DataFrame({"x": [1.0, 2.0]})), [1.0, 1.5, 2.0]) == ["low", "middle", "high"]


def test_what_is_not_known_has_no_level():
    thresholds = Thresholds.fit(pd.DataFrame({"x": [1.0, np.nan, 2.0], "y": [np.nan] * 3}))
    assert levels(thresholds, [float("nan")]) == [""]
    assert "y" not in thresholds.bounds
    assert thresholds.level("y", 1.0) == ""
    assert thresholds.bounds["x"] == pytest.approx((1.3, 1.7))


def test_bounds_come_back_from_a_file(tmp_path):
    thresholds = Thresholds({"own.pitch_mean": (1 / 3, 0.7), "arousal": (2.0, 2.0)})
    thresholds.save(tmp_path / "new" / "bins.json")
    assert Thresholds.load(tmp_path / "new" / "bins.json").bounds == thresholds.bounds


@pytest.mark.parametrize(
    "found", [[1], {"x": 3}, {"x": [1]}, {"x": [2, 1]}, {"x": ["a", "b"]}, {"x": [1, float("nan")]}]
)
def test_a_file_of_something_else_is_said(tmp_path, found):
    (tmp_path / "bins.json").write_text(json.dumps(found))
    with pytest.raises(DataError, match=r"bins\.json: .*found"):
        Thresholds.load(tmp_path / "bins.json")


def test_no_file_and_no_json_are_said(tmp_path):
    (tmp_path / "bins.json").write_text("low: 3")
    for name in ("bins.json", "none.json"):
        with pytest.raises(DataError, match=f"{name}: no file of bounds"):
            Thresholds.load(tmp_path / name)
