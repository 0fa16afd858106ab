"""What keeps a run honest: repeatable randomness, and no step on a loss that is no number."""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor


class StepSeed(Callback):
    """Makes dropout and other draws of a step a function of (seed, step, rank): a resumed run repeats them exactly.

    Args:
        seed: The run's.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        # The batch's number tells apart those that are accumulated into one step.
        step = (self.seed * 1_000_003 + trainer.global_step) * 4099 + trainer.global_rank
        torch.manual_seed((step * 8191 + batch_idx) % 2**63)


class NonFiniteLossError(ArithmeticError):
    """The loss is NaN or infinite. Commands end with exit code 3."""

    exit_code = 3


class FiniteLoss(Callback):
    """Stops before the step whose loss is NaN or infinite, so that the last checkpoint stays sound."""

    def __init__(self) -> None:
        self._ids: list[str] = []

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self._ids = list(batch.get("id", [])) if isinstance(batch, dict) else []

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        if not torch.isfinite(loss).all():
            clips = f"; the batch holds {', '.join(self._ids[:8])}, ..." if self._ids else ""
            raise NonFiniteLossError(
                f"the loss is {float(loss.detach()):g} in epoch {trainer.current_epoch}, step {trainer.global_step}"
                f"{clips}; lower the learning rate (model.init_args.optimizer.init_args.lr), or train with "
                "--trainer.precision 32-true"
            )
