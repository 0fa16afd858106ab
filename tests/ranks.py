"""Processes of a distributed run, for tests that run their own module as a program.

The program forks its processes, so that torch is imported once, before any of them has started threads.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import multiprocessing
from torch.distributed import init_process_group


def fork_ranks(run: Callable[..., None], world: int, *args: object, seconds: float = 60) -> None:
    """Call ``run(rank, *args)`` in several processes at once; exit with their codes if one fails or takes too long."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=run, args=(rank, *args)) for rank in range(world)]
    for process in processes:
        process.start()
    end = time.monotonic() + seconds
    for process in processes:
        process.join(max(0, end - time.monotonic()))
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    if any(codes) or None in codes:
        sys.exit(f"{args}: exit codes {codes}")


def join_group(rank: int, world: int, rendezvous: Path) -> None:
    """Join the gloo processes that meet at a file."""
    torch.set_num_threads(1)
    init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=world)
