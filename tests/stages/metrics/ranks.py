"""Keep rows on three gloo processes, one of which has none: ``python ranks.py FOLDER``; run by test_rows.py."""

import os
import sys
from pathlib import Path

import torch
from torch import multiprocessing
from torch.distributed import destroy_process_group, init_process_group

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
    torch.set_num_threads(1)
    init_process_group("gloo", init_method=f"file://{folder / 'rendezvous'}", rank=rank, world_size=len(SHARDS))
    values = {}
    for measure in metrics():
        if SHARDS[rank]:
            measure.update(part(clips(), SHARDS[rank]))
        values |= {name: tuple(trials) for name, trials in measure.compute().items()}
    torch.save(values, folder / f"{rank}.pt")
    destroy_process_group()


def main(folder: Path) -> None:
    processes = [multiprocessing.Process(target=run, args=(rank, folder)) for rank in range(len(SHARDS))]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    if any(codes) or None in codes:
        sys.exit(f"exit codes {codes}")


if __name__ == "__main__":
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    multiprocessing.set_start_method("fork")
    main(Path(sys.argv[1]))
