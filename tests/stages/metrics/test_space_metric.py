import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch.distributed import destroy_process_group

from stages.metrics.alignment import Alignment
from stages.metrics.retrieval import Retrieval
from stages.metrics.space_metric import GatheredMetric, SharedSpace

SHARDS = ([], [3, 1, 8, 5], [0, 2, 4, 6, 7, 9])


def clips() -> SharedSpace:
    audio_NE, text_NE = torch.randn(2, 10, 4, generator=torch.Generator().manual_seed(0))
    caption_N = torch.arange(10) * 2**40 - 5
    clip_N = torch.tensor([3, -8, 2**61, 0, -(2**60), 7, 9, -1, 5, 4])
    return SharedSpace(audio_NE, text_NE, clip_N, caption_N, torch.full((10,), -1), torch.full((10, 3), torch.nan))


def metrics() -> list[GatheredMetric]:
    return [Retrieval(), Alignment(trials=5, pairs=6, projections=8)]


def part(whole: SharedSpace, rows: list[int]) -> SharedSpace:
    return SharedSpace(*(getattr(whole, name)[rows] for name in SharedSpace.__dataclass_fields__))


def run(rank: int, folder: Path) -> None:
    join_group(rank, len(SHARDS), folder / "rendezvous")
    values = {}
    for measure in metrics():
        if SHARDS[rank]:
            measure.update(part(clips(), SHARDS[rank]))
        values |= {name: tuple(trials) for name, trials in measure.compute().items()}
    torch.save(values, folder / f"{rank}.pt")
    destroy_process_group()


CLIPS = clips()


def kept(*batches, measure=None):
    measure = measure or Retrieval()
    for batch in batches:
        measure.update(batch)
    return measure


def test_neither_batches_nor_ranks_decide_the_order():
    whole = kept(CLIPS)
    first = kept(part(CLIPS, [9, 0, 4]), part(CLIPS, [8, 1, 3, 5, 6]))
    first.merge_state(kept(part(CLIPS, [7, 2])))
    # Bits are compared, as caption numbers are kept as the bits of floats that may be NaN.
    assert torch.equal(first.gathered().view(torch.int32), whole.gathered().view(torch.int32))
    assert len(whole.gathered()) == 10


def test_a_rank_without_clips_takes_part(run_ranks, tmp_path):
    run_ranks(__file__, tmp_path)
    expected = {}
    for measure in metrics():
        expected |= kept(CLIPS, measure=measure).compute()
    assert [torch.load(tmp_path / f"{rank}.pt") for rank in range(3)] == [expected] * 3


def test_equal_clips_are_kept_each():
    same = SharedSpace(*(getattr(CLIPS, name)[:1].repeat_interleave(3, 0) for name in SharedSpace.__dataclass_fields__))
    assert kept(same).gathered().shape == (3, 10)


def test_clips_stand_in_the_order_of_their_numbers_whatever_their_embeddings_are():
    order = CLIPS.clip_N.argsort()
    for audio in (CLIPS.audio_NE, CLIPS.audio_NE * (1 + 1e-7), -CLIPS.audio_NE):
        rows = kept(replace(CLIPS, audio_NE=audio)).gathered()
        assert torch.equal(rows[:, :8], torch.cat([audio, CLIPS.text_NE], dim=1)[order])


def test_reset_forgets():
    measure = kept(CLIPS)
    measure.reset()
    assert len(measure.gathered()) == 0
    measure.update(CLIPS)
    assert len(measure.gathered()) == 10


if __name__ == "__main__":
    from tests.ranks import fork_ranks, join_group

    fork_ranks(run, len(SHARDS), Path(sys.argv[1]))
