"""Stopping on a cluster's signal with everything saved."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from datamodules import stop_signals
from lightning_app.callbacks.loop_state import make_resumable
from lightning_app.runs.files import LAST_CKPT


class Preempt(Callback):
    """On SIGTERM or SIGUSR1, to any rank, writes ``last.ckpt`` at the next place that resumes exactly, and stops there.

    Such places are the end of an optimiser's step, any batch of a validation, which is then made anew as a whole, and
    the start of an epoch. A test or a prediction stops without saving: it starts again.

    Raises:
        Stopped: In every hook that finds that a rank was asked to stop.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        # Lightning's handlers talk to other ranks, which may hang them, put the job back into the queue themselves, or
        # end the process without a checkpoint.
        trainer._signal_connector.register_signal_handlers = _nothing  # type: ignore[method-assign]
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
        own = torch.tensor(trainer.predict_loop.max_batches, device=trainer.strategy.root_device)
        self._batches_of_all: list[int] = trainer.strategy.reduce(own, reduce_op="min").tolist()  # by loader

    def on_predict_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        # None may wait for another that has fewer batches.
        if batch_idx < self._batches_of_all[dataloader_idx]:
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


def _nothing() -> None:
    pass
