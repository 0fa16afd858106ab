"""config.yaml: all settings of a run, without its secrets."""

from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, SaveConfigCallback

from lightning_app.config.secrets import masked


class SaveConfig(SaveConfigCallback):
    """Writes ``config.yaml`` into the run folder, whatever the logger, with ``***`` for tokens and passwords."""

    def __init__(self, parser: LightningArgumentParser, config: Any, **how: Any) -> None:
        super().__init__(parser, masked(config), save_to_log_dir=False, **how)

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        path = Path(trainer.default_root_dir) / self.config_filename
        self.parser.save(self.config, path, skip_none=False, overwrite=True)
