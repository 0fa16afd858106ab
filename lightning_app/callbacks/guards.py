"""What keeps a run honest: repeatable randomness, and no step on numbers that are none."""

from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from lightning_app.errors import NonFiniteError


class StepSeed(Callback):
    """Makes dropout, masks and other draws of a step a function of (seed, step, rank): a resumed run repeats them.

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
        # transformers draws the stripes that it blanks from NumPy.
        np.random.seed(number % 2**32)


REMEDY = (
    "lower the learning rate (model.init_args.optimizer.init_args.lr), or train with --trainer.precision 32-true; "
    "the last checkpoint is sound"
)


class FiniteStep(Callback):
    """Stops before the optimiser's step whose loss or gradients are NaN or infinite, on all ranks together.

    A rank that stopped alone would leave the others waiting for its gradients.
    """

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._loss: float | None = None

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self._ids += batch.get("id", []) if isinstance(batch, dict) else []

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        if not torch.isfinite(loss).all():
            self._loss = float(loss.detach())

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        names = [] if self._loss is not None or _is_scaled(trainer) else _not_finite(pl_module)
        sound = self._loss is None and not names
        if not trainer.strategy.reduce_boolean_decision(sound, all=True):
            if self._loss is not None:
                found = f"the loss is {self._loss:g}"
            elif names:
                found = f"the gradient of {names[0]} is NaN or infinite"
            else:
                found = "a loss or a gradient of another process is NaN or infinite"
            ids = ", ".join(self._ids[:8]) + (", ..." if self._ids[8:] else "")
            clips = f"; the step's clips are {ids}" if ids else ""
            where = f"in epoch {trainer.current_epoch}, step {trainer.global_step}"
            raise NonFiniteError(f"{found} {where}{clips}; {REMEDY}")
        self._ids, self._loss = [], None


def overflow(error: BaseException) -> NonFiniteError | None:
    """What a person needs to know of an optimiser whose step no number of the weights' type can hold."""
    if not (isinstance(error, RuntimeError) and "without overflow" in str(error)):
        return None
    return NonFiniteError(f"the optimiser's step is larger than any number ({error}); {REMEDY}")


def _is_scaled(trainer: Trainer) -> bool:
    """Whether gradients are scaled for float16: then some overflow now and then, and their step is left out."""
    return getattr(trainer.precision_plugin, "scaler", None) is not None


def _not_finite(module: LightningModule) -> list[str]:
    """Names of the parameters whose gradients are not finite."""
    gradients = [(name, p.grad) for name, p in module.named_parameters() if p.grad is not None]
    if not gradients or bool(torch.stack([gradient.isfinite().all() for _, gradient in gradients]).all()):
        return []
    return [name for name, gradient in gradients if not gradient.isfinite().all()]
