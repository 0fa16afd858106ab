"""Preemption: a cluster's signal stops the run with everything saved, where it can resume exactly."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from datamodules import stop_signals
from lightning_app.runs.files import LAST_CKPT

LoopState = dict[str, Any]


class Preempt(Callback):
    """On SIGTERM or SIGUSR1, to any rank, writes ``last.ckpt`` at the next point that resumes exactly, and stops there.

    Such points are the end of an optimizer step, any batch of a validation, which is then repeated from its start, and
    the start of an epoch. A test or a prediction stops without saving: it starts again.

    Raises:
        Stopped: In every hook that finds that a rank was asked to stop.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        # Lightning's handlers talk to other ranks, which may hang them, put the job back into the queue themselves, or
        # end the process without a checkpoint.
        trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
        stop_signals.note()  # also in a rank that was forked
        self._stop_if_asked(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._stop_if_asked(trainer, save=trainer.global_step > 0)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        epoch = trainer.fit_loop.epoch_loop
        # Gradients of half a step are not in a checkpoint; a validation or the end of the epoch is to come first.
        if not (epoch._should_accumulate() or epoch.batch_progress.is_last_batch or _validation_is_due(trainer)):
            self._stop_if_asked(trainer, save=True)

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        fits = trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking
        if not (fits and trainer.fit_loop.epoch_loop._should_accumulate()):
            self._stop_if_asked(trainer, save=fits)

    def on_test_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self._stop_if_asked(trainer)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        batches = torch.tensor(trainer.predict_loop.max_batches, device=trainer.strategy.root_device)
        self._common_batches: list[int] = trainer.strategy.reduce(batches, reduce_op="min").tolist()  # by loader

    def on_predict_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        # No rank may wait for another that has fewer batches.
        if batch_idx < self._common_batches[dataloader_idx]:
            self._stop_if_asked(trainer)

    def on_predict_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Afterwards predictions are gathered, for which every rank is needed.
        self._stop_if_asked(trainer)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        training = trainer.state.fn == TrainerFn.FITTING and trainer.training
        make_resumable(checkpoint["loops"]["fit_loop"], training and _validation_is_due(trainer))

    def _stop_if_asked(self, trainer: Trainer, save: bool = False) -> None:
        if not trainer.strategy.reduce_boolean_decision(stop_signals.asked(), all=False):
            return
        if not save or trainer.fast_dev_run:  # type: ignore[attr-defined]
            raise stop_signals.Stopped("stopped by a signal with nothing new to save; the same command starts again")
        trainer.save_checkpoint(Path(trainer.default_root_dir) / LAST_CKPT, weights_only=False)
        raise stop_signals.Stopped("preempted; last.ckpt is saved, and the same command goes on from it")


def _validation_is_due(trainer: Trainer) -> bool:
    """Whether the trainer validates after the batch that it is at."""
    fetcher = trainer.fit_loop._data_fetcher
    return fetcher is not None and trainer.fit_loop.epoch_loop._should_check_val_fx(fetcher)


def make_resumable(fit_loop: LoopState, validation_is_due: bool) -> None:
    """Change the saved state of the loops so that a resumed run does everything the interrupted one had left to do.

    Lightning resumes after a batch or after an epoch; three states need help. Within a validation, whose scores so far
    are not in a checkpoint, and before a validation, which would be left out, the state is set so that the resumed run
    starts that validation again. At the very start of an epoch it is set as if the epoch had not begun.

    Args:
        fit_loop: ``checkpoint["loops"]["fit_loop"]``, changed in place.
        validation_is_due: Whether the trainer, which is at the end of a training batch, validates next.
    """
    epochs, batches = fit_loop["epoch_progress"], fit_loop["epoch_loop.batch_progress"]
    validated = fit_loop["epoch_loop.val_loop.batch_progress"]
    ended = batches["current"]["processed"] > batches["current"]["completed"]
    if (ended and validation_is_due) or validated["current"]["ready"] > validated["current"]["completed"]:
        for count in ("total", "current"):
            batches[count]["completed"] = batches[count]["processed"]
            # The mark of a validation in its first batch.
            validated[count].update(ready=1, started=1, processed=0, completed=0)
        validated["is_last_batch"] = False
    for count in ("total", "current"):
        epochs[count]["ready"] = epochs[count]["started"]
