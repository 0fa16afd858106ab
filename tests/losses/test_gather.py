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
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def results(runs, shards):
    name = "-".join(map(str, shards))
    return [torch.load(runs / f"{name}.{rank}.pt", weights_only=True) for rank in range(len(shards))]


@pytest.mark.parametrize("loss", ranks.LOSSES)
@pytest.mark.parametrize("shards", ranks.SHARDS, ids=str)
def test_ranks_learn_what_one_process_learns_from_the_whole_batch(runs, shards, loss):
    alone = ranks.step(ranks.Projections(loss), ranks.batch(sum(shards)))
    assert any(gradient.abs().max() > 1e-3 for name, gradient in alone.items() if name != "loss")
    for result in results(runs, shards):
        for name, value in alone.items():
            torch.testing.assert_close(result[loss][name], value, rtol=0, atol=1e-12, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("shards", ranks.SHARDS, ids=str)
def test_every_rank_has_all_rows_in_rank_order(runs, shards):
    whole = ranks.batch(sum(shards))
    whole["bfloat16"] = whole["of two types"] = whole["audio"].bfloat16()
    parts = whole["audio"].split(shards)
    rounded = [part.bfloat16().float() if rank % 2 else part.float() for rank, part in enumerate(parts)]
    whole["of all types"] = torch.cat(rounded)
    for result in results(runs, shards):
        for name, x in whole.items():
            torch.testing.assert_close(result["gathered"][name], x, rtol=0, atol=0, equal_nan=True)


def test_without_a_process_group_it_is_the_identity():
    x = torch.ones(2, 3)
    assert gather(x) is x
