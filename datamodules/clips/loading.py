"""Clips as batches: who reads them, and in which order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch.utils.data import DataLoader, Sampler

from datamodules import stop_signals
from datamodules.clips.dataset import Clips, Collate


@dataclass(frozen=True)
class Loading:
    """Batches, and who reads them.

    Args:
        batch_size: Clips per device and step.
        num_workers: Loader processes per device.
    """

    batch_size: int = 64
    num_workers: int = 2


class Loader(DataLoader[Any]):
    """A DataLoader whose processes cannot be hit by a signal before `stop_signals.ignore` has run in them.

    Pass that function as ``worker_init_fn``.
    """

    def __iter__(self) -> Any:
        with stop_signals.held():
            return super().__iter__()


def clip_loader(
    clips: Clips,
    loading: Loading,
    order: Sampler[tuple[int, int]] | Sequence[tuple[int, int]] | None = None,
    batches: Sequence[list[tuple[int, int]]] | None = None,
    training: bool = False,
    pin_memory: bool = False,
) -> Loader:
    """Load clips in an order, or in batches that are made up already.

    Args:
        clips: The clips.
        loading: Batch size and number of processes; none are needed where no sound has to be read.
        order: (epoch, index) of each clip.
        batches: In place of an order, the (epoch, index) of each clip of each batch.
        training: Keep the processes from epoch to epoch, and refuse a batch of which nothing can be read.
        pin_memory: Put batches where they are copied to a GPU fast.
    """
    workers = 0 if clips.kept.complete else loading.num_workers
    return Loader(
        clips,
        # By name: Lightning makes the loader of `predict` anew from its arguments.
        batch_size=loading.batch_size if batches is None else 1,
        sampler=order,
        batch_sampler=batches,
        num_workers=workers,
        worker_init_fn=stop_signals.ignore,
        collate_fn=Collate(
            clips.form.samples, clips.text_names, clips.column_names, clips.kept, may_be_empty=not training
        ),
        persistent_workers=training and workers > 0,
        pin_memory=pin_memory,
    )
