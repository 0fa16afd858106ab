"""A run goes on with the data that it began with, or not at all."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from lightning.pytorch.trainer.states import TrainerFn

from datamodules.emotion_data import EmotionDataModule
from datamodules.errors import DataError

KEY = "trained_with"


class SameData(Callback):
    """Keeps in each checkpoint what decides the batches, and refuses to resume where that is another.

    Of a run that goes on in the middle of an epoch with other rows, batches or devices, some clips would be heard twice
    and others never, and nobody could make its result again. The number of loader processes changes nothing.

    Raises:
        DataError: When a checkpoint is loaded, naming what differs.
    """

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint[KEY] = _what_decides(trainer)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        then = checkpoint.get(KEY)
        # Who validates or tests goes on with nothing; releases before this one did not keep it.
        if trainer.state.fn != TrainerFn.FITTING or not isinstance(then, dict):
            return
        now = _what_decides(trainer)
        differ = [
            f"{name} ({then[name]} then, {now[name]} now)" for name in now if then.get(name) not in (None, now[name])
        ]
        if differ:
            raise DataError(
                f"ckpt_path: its run was trained with other data or settings: {', '.join(differ)}; put them back to "
                "resume, or start a new run, without ckpt_path, in another folder (--trainer.default_root_dir OTHER; "
                "in a chain: --force), from its weights if you like (--model.init_args.init_from=PATH)"
            )


def _accumulation(trainer: Trainer) -> int | dict[int, int]:
    """What is configured; a scheduler changes the trainer's own value from epoch to epoch."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, GradientAccumulationScheduler):
            return callback.scheduling
    return trainer.accumulate_grad_batches


def _what_decides(trainer: Trainer) -> dict[str, str]:
    data: EmotionDataModule = trainer.datamodule  # type: ignore[attr-defined]
    of_the_run = {
        "number of devices": trainer.world_size,
        "trainer.accumulate_grad_batches": _accumulation(trainer),
        "trainer.limit_train_batches": trainer.limit_train_batches,
    }
    return {name: str(value) for name, value in {**data.identity(), **of_the_run}.items()}
