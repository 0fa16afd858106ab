"""The mark of success."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from lightning_app.config.plugins import plugin_words
from lightning_app.runs.files import DONE_JSON, OUTPUTS
from lightning_app.runs.fingerprint import Fingerprint
from lightning_app.runs.records import write_done


class WriteDone(Callback):
    """Removes ``done.json`` when a stage starts, and writes it when the stage has done all of its work.

    Args:
        command: The command line, from the verb on.
        fingerprint: Of that command line, computed before anything ran.
        accepted: Called when nothing refuses the run any more, its checkpoint neither.

    Attributes:
        metrics: What others have measured, beside what the stage logged.
    """

    def __init__(self, command: Sequence[str], fingerprint: Fingerprint, accepted: Callable[[], None]) -> None:
        self.command, self.fingerprint, self.accepted = list(command), fingerprint, accepted
        self.metrics: dict[str, float] = {}
        self.started = datetime.now(UTC)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if trainer.is_global_zero:
            (Path(trainer.default_root_dir) / DONE_JSON).unlink(missing_ok=True)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # The trainer has read the checkpoint to resume from, and every callback has looked at it.
        self.accepted()

    def write(self, trainer: Trainer) -> None:
        """Write ``done.json``; called by the command when the trainer has returned in peace."""
        if not trainer.is_global_zero:
            return
        folder = Path(trainer.default_root_dir)
        write_done(
            folder,
            command=["lightning-cli", *self.command, *plugin_words()],
            fingerprint=self.fingerprint,
            started=self.started,
            outputs=[folder / name for name in OUTPUTS if (folder / name).is_file()],
            metrics={**{name: float(value) for name, value in trainer.callback_metrics.items()}, **self.metrics},
        )
