"""The order of training, as a function of seed and epoch alone."""

from collections.abc import Iterator

import torch
from torch.utils.data import Sampler


class EpochSampler(Sampler[tuple[int, int]]):
    """Yields (epoch, index), so that loader processes know the epoch and a resumed run goes on where it was.

    Nothing is remembered between epochs: the order follows from the seed and the epoch. Every rank gets as many indices
    as every other.

    Args:
        size: Number of clips.
        batch_size: Clips per rank and step.
        seed: Of the order.
        rank: Which process this is.
        world: How many processes there are.
        start: Epoch, and batch in it, at which a resumed run goes on.
        drop_last: Leave out what does not fill a batch at the end of an epoch.

    Attributes:
        batches: Steps per epoch.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        start: tuple[int, int] = (0, 0),
        drop_last: bool = True,
    ) -> None:
        self.size, self.batch_size, self.seed, self.rank, self.world = size, batch_size, seed, rank, world
        share = size // world
        self.batches = share // batch_size if drop_last else -(-share // batch_size)
        self._taken = min(share, self.batches * batch_size)
        self.epoch, self._start = start[0], start

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        # A large odd factor keeps (seed 1, epoch 0) and (seed 0, epoch 1) apart.
        draw = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(self.size, generator=draw).tolist()
        mine = order[self.rank :: self.world][: self._taken]
        first = self._start[1] if self.epoch == self._start[0] else 0
        return iter([(self.epoch, index) for index in mine[first * self.batch_size :]])

    def __len__(self) -> int:
        return self._taken


def equal_batches(size: int, batch_size: int, rank: int = 0, world: int = 1) -> list[list[tuple[int, int]]]:
    """Every index once, in order, in batches of (epoch 0, index); rank r has r, r + world, ...

    Every rank gets as many batches as every other, the last of them perhaps empty: a loss over all ranks waits for all.

    >>> [equal_batches(5, 2, rank, world=2) for rank in (0, 1)]
    [[[(0, 0), (0, 2)], [(0, 4)]], [[(0, 1), (0, 3)], []]]
    """
    mine = [(0, index) for index in range(rank, size, world)]
    return [mine[first : first + batch_size] for first in range(0, -(-size // world), batch_size)]
