"""Pairs of contexts and classes as batches, and what is refused."""

import pytest

from datamodules.errors import DataError
from datamodules.texts.prompt_data import PromptData


def pairs(data: PromptData, epoch: int = 0) -> list[tuple[int, int]]:
    loader = data.train_dataloader()
    loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
    return [pair for batch in loader for pair in zip(batch["context"].tolist(), batch["label"].tolist(), strict=True)]


def test_every_pair_comes_once_in_an_epoch_without_a_trainer() -> None:
    data = PromptData("iemocap4", batch_size=5, contexts=3)
    assert sorted(pairs(data)) == [(context, label) for context in range(3) for label in range(4)]
    assert [len(batch["label"]) for batch in data.train_dataloader()] == [5, 5, 2]


def test_the_order_is_decided_by_seed_and_epoch() -> None:
    first = pairs(PromptData("iemocap4", contexts=12))
    assert first == pairs(PromptData("iemocap4", contexts=12))
    assert first != pairs(PromptData("iemocap4", contexts=12), epoch=1)
    assert first != pairs(PromptData("iemocap4", contexts=12, seed=2))


def test_a_resumed_run_goes_on_in_the_middle_of_its_epoch() -> None:
    whole, resumed = PromptData("iemocap4", 5, contexts=3), PromptData("iemocap4", 5, contexts=3)
    resumed.position = lambda: (2, 1)
    assert pairs(resumed, 2) == pairs(whole, 2)[5:]
    assert pairs(resumed, 3) == pairs(whole, 3)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(DataError, match=r"data\.contexts: without a stage nobody knows how many contexts"):
        PromptData("iemocap4").train_dataloader()
    with pytest.raises(DataError, match="batch_size 0 must be positive"):
        PromptData("iemocap4", batch_size=0)
