"""Reproducible runs: seeds that depend on the step alone, and no resuming with other data."""

from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from lightning.pytorch.trainer.states import TrainerFn

from datamodules.emotion_data import EmotionDataModule
from datamodules.errors import DataError

TRAINED_WITH = "trained_with"


class StepSeed(Callback):
    """Seeds dropout, masks and other draws of a step from (seed, step, rank): a resumed run repeats them.

    Args:
        seed: The run's.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        # The batch's number tells apart those that are accumulated into one step.
        step = (self.seed * 1_000_003 + trainer.global_step) * 4099 + trainer.global_rank
        number = step * 8191 + batch_idx
        torch.manual_seed(number % 2**63)
        # transformers draws the stripes that it masks from NumPy.
        np.random.seed(number % 2**32)


class SameData(Callback):
    """Stores in each checkpoint what determines the batches, and refuses to resume where that differs.

    Of a run that resumes in the middle of an epoch with other rows, batches or devices, some clips would be seen twice
    and others never, and its result could not be reproduced. The number of loader processes has no influence.

    Raises:
        DataError: When a checkpoint is loaded, naming the differences.
    """

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint[TRAINED_WITH] = _batch_settings(trainer)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        then = checkpoint.get(TRAINED_WITH)
        # Validating and testing resume nothing; a checkpoint of another program has no such entry.
        if trainer.state.fn != TrainerFn.FITTING or not isinstance(then, dict):
            return
        now = _batch_settings(trainer)
        changed = [name for name in now if then.get(name) not in (None, now[name])]
        if changed:
            changes = ", ".join(f"{name} ({then[name]} then, {now[name]} now)" for name in changed)
            raise DataError(
                f"ckpt_path: its run was trained with other data or settings: {changes}; put them back to "
                "resume, or start a new run, without ckpt_path, in another folder (--trainer.default_root_dir OTHER; "
                "in a chain: --force), from its weights if you like (--model.init_args.init_from=PATH)"
            )


def _batch_settings(trainer: Trainer) -> dict[str, str]:
    data: EmotionDataModule = trainer.datamodule  # type: ignore[attr-defined]
    settings = {
        **data.identity(),
        "number of devices": trainer.world_size,
        "trainer.accumulate_grad_batches": _configured_accumulation(trainer),
        "trainer.limit_train_batches": trainer.limit_train_batches,
    }
    return {name: str(value) for name, value in settings.items()}


def _configured_accumulation(trainer: Trainer) -> int | dict[int, int]:
    """The configured accumulation of gradients; a scheduler changes the trainer's own value from epoch to epoch."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, GradientAccumulationScheduler):
            return callback.scheduling
    return trainer.accumulate_grad_batches
