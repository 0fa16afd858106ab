"""Recordings that were left out, so that nothing is left out in silence."""

import csv
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from datamodules.manifest.spreadsheet import escaped
from lightning_app.runs.files import SKIPPED_CSV


class ListSkipped(Callback):
    """Counts the recordings that could not be read under ``on_bad_audio: skip``, and lists them in ``skipped.csv``.

    Args:
        writes: Whether the file is the command's to write; otherwise it stays as it is.

    Attributes:
        lines: One for each, with its row and what is wrong with it; the command then ends with exit code 5.
    """

    def __init__(self, writes: bool) -> None:
        self.writes = writes
        self.lines: list[str] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if trainer.is_global_zero and self.writes:
            (Path(trainer.default_root_dir) / SKIPPED_CSV).unlink(missing_ok=True)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self._note(batch)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._note(batch)

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._note(batch)

    def on_predict_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int, *_: int
    ) -> None:
        self._note(batch)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if trainer.world_size > 1 and torch.distributed.is_initialized():
            gathered: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(gathered, self.lines)
            self.lines = sorted({line for lines in gathered for line in lines})
        path = Path(trainer.default_root_dir) / SKIPPED_CSV
        if trainer.is_global_zero and self.writes and self.lines:
            with path.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([["recording"], *([escaped(line)] for line in sorted(set(self.lines)))])

    def _note(self, batch: Any) -> None:
        for line in batch.get("skipped", []) if isinstance(batch, dict) else []:
            if line not in self.lines:
                self.lines.append(line)
