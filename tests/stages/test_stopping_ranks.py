"""A signal to one of two processes stops both, at the same place: none waits for one that has gone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("stopping_ranks.py")
LETTERS = ["angry", "calm", "elated"], ["bored", "disgusted", "fearful"]


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stopping_ranks")
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(folder)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


def test_while_features_are_computed(said):
    first, second = LETTERS
    assert said[0]["own share"] == ["stopped", first[:2]]
    assert said[1]["own share"] == ["stopped", second]
    # What was computed before the signal is kept.
    assert said[0]["again"] == ["finished", [*first[2:], *second]]
    assert said[0]["other's share"] == ["stopped", [*first, *second[:1]]]
    assert said[1]["other's share"] == ["stopped", [*second, *first]]


def test_in_a_prediction_of_which_one_has_more_batches(said):
    for rank, share in enumerate((4, 3)):
        found = {case.removeprefix("predict "): value for case, value in said[rank].items() if "predict" in case}
        assert found == {
            "0 1": ["stopped", 2], "1 1": ["stopped", 2],
            # After the last batch that both have they ask each other once more, in the end.
            "0 2": ["stopped", share], "1 2": ["stopped", share], "0 3": ["stopped", share],
            "whole": ["finished", share],
        }  # fmt: skip
