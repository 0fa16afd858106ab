"""Progress as lines, for logs: where there is no terminal, a bar shows nothing until it is full."""

import sys
import time

from lightning.pytorch import Callback, LightningModule, Trainer

SECONDS_BETWEEN_LINES = 5.0


class ProgressLines(Callback):
    """After an epoch, at most every five seconds, says how far the run is, its values, and how long it still takes."""

    def __init__(self) -> None:
        self._started = self._spoken = 0.0
        self._first_epoch = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._started = self._spoken = time.monotonic()
        self._first_epoch = trainer.current_epoch

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        now, epoch, last = time.monotonic(), trainer.current_epoch + 1, trainer.max_epochs or 0
        if not trainer.is_global_zero or (now - self._spoken < SECONDS_BETWEEN_LINES and epoch != last):
            return
        self._spoken = now
        values = "  ".join(f"{name} {float(value):.3f}" for name, value in trainer.progress_bar_metrics.items())
        left = (now - self._started) / (epoch - self._first_epoch) * (last - epoch)
        print(f"epoch {epoch}/{last}  {values}  {left:.0f} s left", file=sys.stderr, flush=True)
