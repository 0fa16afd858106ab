"""Which checkpoints a run folder holds."""

from pathlib import Path
from typing import Literal

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint


class StageCheckpoint(ModelCheckpoint):
    """Keeps ``best.ckpt``, which the next stage starts from, and ``last.ckpt``, from which this stage resumes.

    Args:
        dirpath: The run folder; linked from ``trainer.default_root_dir``.
        monitor: Logged value that decides what is best, such as ``val/UA``; null makes the last epoch the best one.
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

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_end(trainer, pl_module)
        if self.monitor is None and not trainer.should_stop and self.dirpath is not None:
            trainer.save_checkpoint(Path(self.dirpath) / "best.ckpt", weights_only=False)
