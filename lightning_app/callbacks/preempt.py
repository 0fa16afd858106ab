"""Stopping on a cluster's signal with everything saved."""

import signal
from pathlib import Path
from types import FrameType
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class Preempt(Callback):
    """On SIGTERM or SIGUSR1, to any rank, finishes the step, writes ``last.ckpt`` and stops.

    Attributes:
        stopped: Whether the run ended that way; the command then ends with exit code 143.
    """

    def __init__(self) -> None:
        self._signalled = False
        self.stopped = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # After Lightning installed its own handlers, which would end the process without a checkpoint.
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, self._note)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.stopped or not trainer.strategy.reduce_boolean_decision(self._signalled, all=False):
            return
        self.stopped = True
        trainer.save_checkpoint(Path(trainer.default_root_dir) / "last.ckpt", weights_only=False)
        trainer.should_stop = True

    @staticmethod
    def stopped_in(trainer: Trainer) -> bool:
        """Whether a run was preempted: what follows its last step must not pass for the end of an epoch."""
        return any(isinstance(each, Preempt) and each.stopped for each in trainer.callbacks)  # type: ignore[attr-defined]

    def _note(self, signum: int, frame: FrameType | None) -> None:
        # No more than a flag: a handler that talks to other ranks hangs them.
        self._signalled = True
