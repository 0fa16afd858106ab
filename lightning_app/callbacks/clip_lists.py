"""Lists of a run's clips for people: their captions, and the recordings that were skipped."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from datamodules.clips.data import ClipData
from datamodules.manifest.spreadsheet import escaped_table
from lightning_app.runs.files import BINS_JSON, CAPTIONS_CSV, SKIPPED_CSV


class WriteCaptions(Callback):
    """Writes ``captions.csv`` into the run folder: id, split, label and every text of each clip.

    Where texts speak of high and low, ``bins.json`` has the bounds, which are those of the training clips.
    """

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not trainer.is_global_zero or not isinstance(data, ClipData):
            return
        folder = Path(trainer.default_root_dir)
        escaped_table(data.caption_table()).to_csv(folder / CAPTIONS_CSV, index=False)
        if bins := data.caption_bins():
            (folder / BINS_JSON).write_text(json.dumps(bins, indent=2) + "\n", encoding="utf-8")


class ListSkipped(Callback):
    """Lists the recordings that could not be read under ``on_bad_audio: skip`` in ``skipped.csv``.

    Args:
        writes: Whether the command may write into the run folder; otherwise the file stays as it is.

    Attributes:
        lines: One for each recording, with its row and the problem; with any, the command ends with exit code 5.
    """

    def __init__(self, writes: bool) -> None:
        self.writes = writes
        self.lines: list[str] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if trainer.is_global_zero and self.writes:
            (Path(trainer.default_root_dir) / SKIPPED_CSV).unlink(missing_ok=True)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self._collect(batch)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._collect(batch)

    on_test_batch_end = on_validation_batch_end
    on_predict_batch_end = on_validation_batch_end

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if trainer.world_size > 1 and torch.distributed.is_initialized():
            gathered: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(gathered, self.lines)
            self.lines = sorted({line for lines in gathered for line in lines})
        if trainer.is_global_zero and self.writes and self.lines:
            table = pd.DataFrame({"recording": sorted(self.lines)})
            escaped_table(table).to_csv(Path(trainer.default_root_dir) / SKIPPED_CSV, index=False)

    def _collect(self, batch: Any) -> None:
        if not isinstance(batch, dict):
            return
        for line in batch.get("skipped", []):
            if line not in self.lines:
                self.lines.append(line)
