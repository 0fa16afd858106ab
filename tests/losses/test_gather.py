import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from losses.gather import gather

PROGRAM = Path(__file__).with_name("ranks.py")
spec = importlib.util.spec_from_file_location("ranks", PROGRAM)
ranks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ranks)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(folder)],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def results(runs, shards):
    name = "-".join(map(str, shards))
    return [torch.load(runs / f"{name}.{rank}.pt", weights_only=True) for rank in range(len(shards))]


@pytest.mark.parametrize("targets", ranks.TARGETS)
@pytest.mark.parametrize("shards", ranks.SHARDS, ids=str)
def test_ranks_learn_what_one_process_learns_from_the_whole_batch(runs, shards, targets):
    alone = ranks.step(ranks.TwoProjections(targets), *ranks.batch(sum(shards)))
    for result in results(runs, shards):
        for name, value in alone.items():
            torch.testing.assert_close(
                result[targets][name], value, rtol=0, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}"
            )


@pytest.mark.parametrize("shards", ranks.SHARDS, ids=str)
def test_every_rank_has_all_rows_in_rank_order(runs, shards):
    clips, _, caption = ranks.batch(sum(shards))
    for result in results(runs, shards):
        for x in (clips, caption, clips.bfloat16()):
            assert torch.equal(result["gathered"][str(x.dtype)], x)


def test_without_a_process_group_it_is_the_identity():
    x = torch.ones(2, 3)
    assert gather(x) is x
