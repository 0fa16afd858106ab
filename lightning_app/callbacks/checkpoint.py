"""Which checkpoints a run folder holds."""

from pathlib import Path
from typing import Literal

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from datamodules.emotion_data import EmotionDataModule
from lightning_app.errors import ConfigError
from lightning_app.runs.files import BEST_CKPT


class StageCheckpoint(ModelCheckpoint):
    """Keeps ``best.ckpt``, which the next stage starts from, and ``last.ckpt``, from which this stage resumes.

    Args:
        dirpath: The run folder; linked from ``trainer.default_root_dir``.
        monitor: Logged value that decides what is best, such as ``val/UA``; null makes the last epoch the best one. Of
            equal values the first is the best, and a value that is not a number is the worst.
        mode: Whether more or less of it is better.
        every_n_epochs: Epochs between checkpoints.
        every_n_train_steps: Steps between checkpoints, in place of epochs, for long epochs.
    """

    def __init__(
        self,
        dirpath: Path | None = None,
        monitor: str | None = None,
        mode: Literal["max", "min"] = "max",
        every_n_epochs: int | None = None,
        every_n_train_steps: int | None = None,
    ) -> None:
        super().__init__(
            dirpath=dirpath,
            filename="best",
            monitor=monitor,
            mode=mode,
            save_last=True,
            save_top_k=1 if monitor else 0,
            every_n_epochs=every_n_epochs,
            every_n_train_steps=every_n_train_steps,
            enable_version_counter=False,
        )
        self.saved = monitor is not None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse to choose by what nobody will measure.

        Raises:
            ConfigError: If a value of the validation is monitored and nothing is validated.
        """
        if self.monitor is not None and self.monitor.startswith("val/") and trainer.max_epochs != 0:
            data = getattr(trainer, "datamodule", None)
            if isinstance(data, EmotionDataModule) and not data.has_dev:
                raise ConfigError(
                    f"monitor {self.monitor} needs a dev split: set data.split.dev to next, or checkpoint.monitor "
                    "to null"
                )
            if trainer.limit_val_batches == 0:
                raise ConfigError(
                    f"monitor {self.monitor} needs validation, and trainer.limit_val_batches is 0: set it to more, or "
                    "checkpoint.monitor to null"
                )
        # Without an epoch the trainer calls no later hook; released weights become a checkpoint in this way.
        if trainer.max_epochs == 0:
            self._save_best(trainer)

    def on_sanity_check_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find out before the first epoch whether what is monitored is measured at all.

        Raises:
            ConfigError: If the validation measures other values.
        """
        measured = sorted(name for name in trainer.callback_metrics if name.startswith("val/"))
        if measured and self.monitor is not None and self.monitor.startswith("val/") and self.monitor not in measured:
            raise ConfigError(
                f"checkpoint.monitor: nothing logs {self.monitor!r}; expected one of "
                f"{', '.join(map(repr, measured))}, or null"
            )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_epoch_end(trainer, pl_module)
        # Lightning renews last.ckpt only where it has just found a best one; a resumed run would lose what came after.
        due = self._every_n_epochs >= 1 and (trainer.current_epoch + 1) % self._every_n_epochs == 0
        if due and not self._should_skip_saving_checkpoint(trainer):
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            return  # Lightning's own would write last.ckpt here
        super().on_train_end(trainer, pl_module)
        if self.monitor is None:
            self._save_best(trainer)

    def ensure_best(self, trainer: Trainer) -> None:
        """Write ``best.ckpt`` if the run has not: it was resumed at its very end, or never had a monitored value."""
        if self.dirpath is None:
            return
        missing = not (self.saved and (Path(self.dirpath) / BEST_CKPT).is_file())
        # All ranks save or none; on a shared file system some see the file later than others.
        if trainer.strategy.broadcast(missing):
            self._save_best(trainer)

    def _save_best(self, trainer: Trainer) -> None:
        if self.dirpath is not None and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            trainer.save_checkpoint(Path(self.dirpath) / BEST_CKPT, weights_only=False)
            self.saved = True
