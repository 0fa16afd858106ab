"""Progress of a run: learning curves in metrics.csv, and lines in a log where there is no terminal."""

import sys
import time
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import rank_zero_only

from lightning_app.runs.files import METRICS_CSV

SECONDS_BETWEEN_LINES = 5.0


class RunLogger(CSVLogger):
    """Logger that writes ``metrics.csv`` into the run folder itself; a resumed run appends to the rows that are there.

    Args:
        folder: The run folder.
        resume: Keep the rows of the interrupted run.
    """

    def __init__(self, folder: Path, resume: bool) -> None:
        earlier = folder / METRICS_CSV
        rows = earlier.read_bytes() if resume and earlier.is_file() else b""
        # Lightning sets the rank before it makes loggers, on every launcher.
        is_rank_zero = getattr(rank_zero_only, "rank", 0) == 0
        # Lightning's writer warns of a folder that is not empty and removes the file; ours is put back below.
        if is_rank_zero:
            earlier.unlink(missing_ok=True)
        super().__init__(save_dir=folder, name="", version="", flush_logs_every_n_steps=1000)
        if rows and is_rank_zero:
            writer = self.experiment
            earlier.write_bytes(rows)
            writer.metrics_keys = rows.decode().splitlines()[0].split(",")

    def log_hyperparams(self, params: Any = None) -> None:
        """Log nothing: config.yaml has them all."""


class ProgressLines(Callback):
    """Prints, after an epoch and at most every five seconds, the epoch, its values and the remaining time.

    A progress bar in a log shows nothing until it is full.
    """

    def __init__(self) -> None:
        self._started = 0.0
        self._last_line = 0.0
        self._first_epoch = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._started = time.monotonic()
        self._last_line = self._started
        self._first_epoch = trainer.current_epoch

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        now = time.monotonic()
        epoch = trainer.current_epoch + 1
        epochs = trainer.max_epochs or 0
        too_soon = now - self._last_line < SECONDS_BETWEEN_LINES and epoch != epochs
        if not trainer.is_global_zero or too_soon:
            return
        self._last_line = now
        values = "  ".join(f"{name} {float(value):.3f}" for name, value in trainer.progress_bar_metrics.items())
        seconds_per_epoch = (now - self._started) / (epoch - self._first_epoch)
        left = seconds_per_epoch * (epochs - epoch)
        print(f"epoch {epoch}/{epochs}  {values}  {left:.0f} s left", file=sys.stderr, flush=True)
