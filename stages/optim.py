"""Optimizers of stages: parameter groups and schedules."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from stages.errors import SettingError


@dataclass(frozen=True)
class ParamGroup:
    """Parameters with a learning rate or a weight decay of their own.

    Args:
        pattern: Regular expression, searched in the names of the parameters.
        lr: Learning rate of the group; null keeps the optimiser's.
        weight_decay: Of the group; null keeps the optimiser's. That of a single number, such as the logarithm of a
            temperature, is always 0.
    """

    pattern: str
    lr: float | None = None
    weight_decay: float | None = None


def configure(
    stage: LightningModule,
    optimizer: OptimizerCallable,
    groups: Sequence[ParamGroup],
    scheduler: LRSchedulerCallable | None = None,
) -> OptimizerLRScheduler:
    """Make the optimizer of a stage and its schedule, which is stepped after every batch.

    Args:
        stage: Whose trainable parameters are optimized.
        optimizer: Called with the parameter groups.
        groups: Parameters with learning rates of their own.
        scheduler: Called with the optimizer; null keeps the learning rates.

    Raises:
        GroupError: If a group's pattern matches no trainable parameter.
    """
    made = optimizer(group_parameters(stage, groups))
    if scheduler is None:
        return made
    return {"optimizer": made, "lr_scheduler": {"scheduler": scheduler(made), "interval": "step"}}


def start_schedule(stage: LightningModule) -> None:
    """Tell a schedule the length of the run, when training starts.

    Not earlier: counting the steps makes the loader, which must know how far a resumed run has come.
    """
    scheduler = stage.lr_schedulers()
    if isinstance(scheduler, WarmupCosine) and scheduler.total_steps is None:
        scheduler.run_over(int(stage.trainer.estimated_stepping_batches))


def group_parameters(module: nn.Module, groups: Sequence[ParamGroup]) -> list[dict[str, Any]]:
    """Sort the trainable parameters into groups; the first pattern that matches wins, what is left is one more group.

    Single numbers, such as the logarithm of a temperature, stand in groups of their own, without weight decay: it draws
    towards 0, which is no better a temperature than another.

    Raises:
        SettingError: If a pattern matches no trainable parameter.
    """
    left = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    sorted_in: list[dict[str, Any]] = []
    for group in groups:
        names = [name for name in left if re.search(group.pattern, name)]
        if not names:
            raise SettingError(
                f"model.init_args.groups: {group.pattern!r} matches no trainable parameter; their names begin with "
                f"{', '.join(sorted({'.'.join(name.split('.')[:2]) for name in left}))}"
            )
        own = {key: value for key in ("lr", "weight_decay") if (value := getattr(group, key)) is not None}
        sorted_in.append({"params": [left.pop(name) for name in names], "name": group.pattern, **own})
    if left:
        sorted_in.append({"params": list(left.values()), "name": "rest"})
    return [part for group in sorted_in for part in _numbers_apart(group)]


def _numbers_apart(group: dict[str, Any]) -> list[dict[str, Any]]:
    numbers = [parameter for parameter in group["params"] if parameter.ndim == 0]
    weights = [parameter for parameter in group["params"] if parameter.ndim > 0]
    undecayed = {**group, "params": numbers, "weight_decay": 0.0, "name": f"{group['name']}, single numbers"}
    return [part for part in ({**group, "params": weights}, undecayed) if part["params"]]


class WarmupCosine(LambdaLR):
    """Linear warm-up, then a cosine down to zero: LAION-CLAP's schedule, stepped after every batch.

    Args:
        optimizer: Whose learning rates are scaled.
        warmup: Part of the run that warms up, in [0, 1).
        total_steps: Steps of the run; null takes what the trainer expects.
    """

    def __init__(self, optimizer: Optimizer, warmup: float = 0.1, total_steps: int | None = None) -> None:
        if not 0 <= warmup < 1:
            raise SettingError(f"scheduler.init_args.warmup is {warmup}; expected at least 0 and less than 1")
        self.warmup, self.total_steps = warmup, total_steps
        super().__init__(optimizer, self._factor)

    def run_over(self, total_steps: int) -> None:
        """Set the length of the run, before its first step."""
        self.total_steps = total_steps
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = base * self._factor(self.last_epoch)
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """The place on the curve, without the curve: a resumed run may be longer than it was meant to be."""
        return {key: value for key, value in super().state_dict().items() if key not in ("total_steps", "warmup")}

    def _factor(self, step: int) -> float:
        if self.total_steps is None:
            return 1.0
        first = self.warmup * self.total_steps
        if step < first:
            return (step + 1) / (first + 1)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - first) / max(1.0, self.total_steps - first))))
