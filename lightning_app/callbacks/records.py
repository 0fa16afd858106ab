"""Records of a run in its folder: config.yaml when it starts, done.json when it has succeeded."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, SaveConfigCallback

from lightning_app.config.plugins import plugin_words
from lightning_app.config.secrets import masked
from lightning_app.runs.files import DONE_JSON, OUTPUTS
from lightning_app.runs.fingerprint import Fingerprint
from lightning_app.runs.records import write_done


class SaveConfig(SaveConfigCallback):
    """Writes ``config.yaml`` into the run folder, whatever the logger, with ``***`` for tokens and passwords."""

    def __init__(self, parser: LightningArgumentParser, config: Any, **options: Any) -> None:
        super().__init__(parser, masked(config), save_to_log_dir=False, **options)

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        path = Path(trainer.default_root_dir) / self.config_filename
        self.parser.save(self.config, path, skip_none=False, overwrite=True)


class WriteDone(Callback):
    """Removes ``done.json`` when a stage starts, and writes it when the stage has finished.

    Args:
        command: The command line, from the verb on.
        fingerprint: Of that command line, computed before anything ran.
        accept: Called when nothing can refuse the run any more, its checkpoint neither.

    Attributes:
        metrics: Results of an evaluation, beside the values that the stage logged.
    """

    def __init__(self, command: Sequence[str], fingerprint: Fingerprint, accept: Callable[[], None]) -> None:
        self.command = list(command)
        self.fingerprint = fingerprint
        self.accept = accept
        self.metrics: dict[str, float] = {}
        self.started = datetime.now(UTC)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if trainer.is_global_zero:
            (Path(trainer.default_root_dir) / DONE_JSON).unlink(missing_ok=True)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # The trainer has read the checkpoint to resume from, and every callback has checked it.
        self.accept()

    def write(self, trainer: Trainer) -> None:
        """Write ``done.json``; the command calls this when the trainer has returned without an error."""
        if not trainer.is_global_zero:
            return
        folder = Path(trainer.default_root_dir)
        logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
        write_done(
            folder,
            command=["lightning-cli", *self.command, *plugin_words()],
            fingerprint=self.fingerprint,
            started=self.started,
            outputs=[folder / name for name in OUTPUTS if (folder / name).is_file()],
            metrics={**logged, **self.metrics},
        )
