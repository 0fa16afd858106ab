"""Validation on two processes gives the numbers of one."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

PROGRAM = Path(__file__).with_name("ranks.py")
spec = importlib.util.spec_from_file_location("stage_ranks", PROGRAM)
ranks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ranks)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage_ranks")
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(folder)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {name: [torch.load(folder / f"{name}.{rank}.pt") for rank in range(2)] for name in ranks.SHARDS}


@pytest.mark.parametrize("shards", ranks.SHARDS)
def test_concordance_is_of_the_clips_of_all_ranks(runs, shards):
    alone = ranks.regression([ranks.part(slice(None))])
    assert set(alone) == {"val/CCC", "val/CCC_valence", "val/CCC_arousal", "val/CCC_dominance"}
    for result in runs[shards]:
        assert result["ser"] == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("shards", ranks.SHARDS)
def test_smoothclap_validates_in_bfloat16_with_a_rank_that_has_no_clip(runs, shards):
    alone = ranks.smooth([ranks.part(slice(None))])
    assert set(alone) == {"val/loss", "val/UA", "val/WA"}
    for result in runs[shards]:
        assert result["smooth"] == pytest.approx(alone, abs=1e-5)
