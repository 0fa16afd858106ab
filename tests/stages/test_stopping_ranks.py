"""A signal to one of two processes stops both, at the same step: none waits for one that has gone."""

import json
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor
from torch.distributed import destroy_process_group
from torch.utils.data import DataLoader

from datamodules import stop_signals
from lightning_app.callbacks.predictions import _of_all_ranks
from lightning_app.callbacks.preempt import Preempt
from lightning_app.features.keeper import FeatureKeeper

TEXTS = ["angry", "bored", "calm", "disgusted", "elated", "fearful"]
# The signalled rank and its batch: in the midst of it, in the last that both have, and in the last of the longer share.
PREDICTIONS = [(0, 1), (1, 1), (0, 2), (1, 2), (0, 3)]
SHARES = [4, 3]


class Letters:
    """Stands for a text tower: the first letter's number; signals its own process at a text."""

    name, digest = "Letters", "0" * 64

    def __init__(self, signalled_at: str) -> None:
        self.signalled_at, self.seen = signalled_at, list[str]()

    def __call__(self, texts: list[str]) -> Tensor:
        self.seen += texts
        if self.signalled_at in texts:
            os.kill(os.getpid(), signal.SIGUSR1)
        return torch.tensor([[float(ord(text[0]))] for text in texts])


class Doubling(LightningModule):
    """Predicts; signals its own process at a batch."""

    def __init__(self, signalled_at: int | None) -> None:
        super().__init__()
        self.signalled_at, self.seen = signalled_at, 0

    def predict_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        self.seen += 1
        if batch_idx == self.signalled_at:
            os.kill(os.getpid(), signal.SIGUSR1)
        return 2 * batch


class Gathers(Callback):
    """Waits for the other rank in the end, as what writes predictions does."""

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        _of_all_ranks([], trainer)


def trainer_of_two() -> Trainer:
    return Trainer(
        accelerator="cpu", devices=2, strategy=DDPStrategy(process_group_backend="gloo"),
        plugins=[LightningEnvironment()], callbacks=[Preempt(), Gathers()], logger=False, enable_progress_bar=False,
        enable_checkpointing=False, enable_model_summary=False, use_distributed_sampler=False,
    )  # fmt: skip


def outcome(work: Callable[[], Any]) -> str:
    with stop_signals.noted():
        try:
            work()
        except stop_signals.Stopped:
            return "stopped"
    return "finished"


def predicted(rank: int, signalled: int, batch: int | None) -> tuple[str, int]:
    stage = Doubling(batch if rank == signalled else None)
    rows = DataLoader(torch.arange(float(SHARES[rank])), sampler=range(SHARES[rank]), batch_size=1)
    return outcome(lambda: trainer_of_two().predict(stage, rows, return_predictions=False)), stage.seen


def computed(rank: int, folder: Path, signalled_at: str) -> tuple[str, list[str]]:
    """The first of two ranks alone writes, so that each has to compute the other's share as well, after its own."""
    tower, both = Letters(signalled_at), trainer_of_two().strategy
    cache = folder if rank == 0 else None
    any_rank = partial(both.reduce_boolean_decision, all=False)
    keeper = FeatureKeeper(cache, rank=rank, world=2, any_rank=any_rank, batch_size=1)
    return outcome(lambda: keeper.of_texts(tower, TEXTS)), tower.seen


def run(rank: int, folder: Path) -> None:
    os.environ |= {"LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    join_group(rank, 2, folder / "rendezvous")
    said = {
        "own share": computed(rank, folder / "one", "calm"),  # the first rank's second
        "again": computed(rank, folder / "one", "nothing"),
        "other's share": computed(rank, folder / "two", "bored") if rank == 0 else computed(rank, folder, "nothing"),
        **{f"predict {who} {batch}": predicted(rank, who, batch) for who, batch in PREDICTIONS},
        "predict whole": predicted(rank, 0, None),
    }
    (folder / f"{rank}.json").write_text(json.dumps(said))
    destroy_process_group()


LETTERS = ["angry", "calm", "elated"], ["bored", "disgusted", "fearful"]


@pytest.fixture(scope="module")
def said(run_ranks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stopping_ranks")
    run_ranks(__file__, folder, CUDA_VISIBLE_DEVICES="")
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


if __name__ == "__main__":
    from tests.ranks import fork_ranks, join_group

    fork_ranks(run, 2, Path(sys.argv[1]), seconds=120)
