"""Gathering of rows from all processes, with gradients: the only distributed code of the losses."""

from functools import reduce

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_gather

DTYPES = (torch.bool, torch.int32, torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.float64)


def gather(x: Tensor) -> Tensor:
    """Concatenate the rows of all ranks, in rank order: [n, ...] on each rank -> [N, ...] on every rank.

    Floating-point rows carry gradient to the rank they came from, integers carry none. Ranks may hold different
    numbers of rows, none included; the other dimensions agree. Where types differ, all rows become the widest of those
    that have rows. Without a process group this returns ``x`` itself.

    Every rank that computes one and the same loss L of gathered rows receives W dL/dx for its own rows, W being the
    number of ranks; the mean over ranks that DDP takes of parameter gradients is then exactly that of one process
    with the whole batch. It is a collective: all ranks call it equally often, and in the same order.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return x
    sizes, dtype = _sizes(x)
    # A rank without rows often has another type, as autocast has touched nothing; bytes of two types must not mix.
    x = x.to(dtype)
    # Collectives move tensors of one shape, so shorter ranks are padded and cut again.
    padded = torch.cat([x, x.new_zeros(max(sizes) - len(x), *x.shape[1:])])
    if x.is_floating_point():
        chunks = list(all_gather(padded))  # type: ignore[no-untyped-call]
    else:
        chunks = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(chunks, padded)
    return torch.cat([chunk[:size] for chunk, size in zip(chunks, sizes, strict=True)])


def rows_before(x: Tensor) -> int:
    """Count the rows of the gathered tensor before those of this rank. A collective, like ``gather``."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return 0
    return sum(_sizes(x)[0][: dist.get_rank()])


def _sizes(x: Tensor) -> tuple[list[int], torch.dtype]:
    """Return the number of rows of each rank, and the type that all of them are promoted to."""
    held_W2 = torch.zeros(dist.get_world_size(), 2, dtype=torch.int64, device=x.device)
    held_W2[dist.get_rank()] = torch.tensor([len(x), DTYPES.index(x.dtype)])
    dist.all_reduce(held_W2)
    held = held_W2.tolist()
    dtypes = [DTYPES[code] for size, code in held if size] or [DTYPES[code] for _, code in held]
    return [size for size, _ in held], reduce(torch.promote_types, dtypes)
