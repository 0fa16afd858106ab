"""What a run was told about its clips, to be read by people."""

import json
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from datamodules.clips.data import ClipData
from datamodules.manifest.spreadsheet import escaped_table
from lightning_app.runs.files import BINS_JSON, CAPTIONS_CSV


class WriteCaptions(Callback):
    """Leaves ``captions.csv`` in the run folder: id, split, label and every text of each clip.

    Where texts speak of high and low, ``bins.json`` has the bounds that the training clips gave.
    """

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not trainer.is_global_zero or not isinstance(data, ClipData):
            return
        folder = Path(trainer.default_root_dir)
        escaped_table(data.caption_table()).to_csv(folder / CAPTIONS_CSV, index=False)
        if bins := data.caption_bins():
            (folder / BINS_JSON).write_text(json.dumps(bins, indent=2) + "\n", encoding="utf-8")
