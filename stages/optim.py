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
    """Group of parameters with a learning rate or a weight decay of its own.

    Args:
        pattern: Regular expression, searched in the names of the parameters.
        lr: Learning rate of the group; null for the optimizer's.
        weight_decay: Of the group; null for the optimizer's. That of a single number, such as the logarithm of a
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
        stage: Stage whose trainable parameters are optimized.
        optimizer: Called with the parameter groups.
        groups: Parameters with learning rates of their own.
        scheduler: Called with the optimizer; null keeps the learning rates.

    Raises:
        SettingError: If a group's pattern matches no trainable parameter.
    """
    made = optimizer(group_parameters(stage, groups))
    if scheduler is None:
        return made
    return {"optimizer": made, "lr_scheduler": {"scheduler": scheduler(made), "interval": "step"}}


def start_schedule(stage: LightningModule) -> None:
    """Set the length of the run in its schedule, when training starts.

    Not earlier: counting the steps creates the loader, which must know the progress of a resumed run.
    """
    scheduler = stage.lr_schedulers()
    if isinstance(scheduler, WarmupCosine) and scheduler.total_steps is None:
        scheduler.run_over(int(stage.trainer.estimated_stepping_batches))


def group_parameters(module: nn.Module, groups: Sequence[ParamGroup]) -> list[dict[str, Any]]:
    """Sort the trainable parameters into groups by the first pattern that matches; the others are one more group.

    Single numbers, such as the logarithm of a temperature, are in separate groups without weight decay, which would
    pull them towards 0.

    Raises:
        SettingError: If a pattern matches no trainable parameter.
    """
    left = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    param_groups: list[dict[str, Any]] = []
    for group in groups:
        names = [name for name in left if re.search(group.pattern, name)]
        if not names:
            beginnings = sorted({".".join(name.split(".")[:2]) for name in left})
            raise SettingError(
                f"model.init_args.groups: {group.pattern!r} matches no trainable parameter; their names begin with "
                f"{', '.join(beginnings)}"
            )
        options: dict[str, Any] = {"params": [left.pop(name) for name in names], "name": group.pattern}
        if group.lr is not None:
            options["lr"] = group.lr
        if group.weight_decay is not None:
            options["weight_decay"] = group.weight_decay
        param_groups += _separate_numbers(options)
    if left:
        param_groups += _separate_numbers({"params": list(left.values()), "name": "rest"})
    return param_groups


def _separate_numbers(group: dict[str, Any]) -> list[dict[str, Any]]:
    numbers = [parameter for parameter in group["params"] if parameter.ndim == 0]
    weights = [parameter for parameter in group["params"] if parameter.ndim > 0]
    groups = []
    if weights:
        groups.append({**group, "params": weights})
    if numbers:
        name = f"{group['name']}, single numbers"
        groups.append({**group, "params": numbers, "weight_decay": 0.0, "name": name})
    return groups


class WarmupCosine(LambdaLR):
    """Linear warm-up, then a cosine down to zero: LAION-CLAP's schedule, stepped after every batch.

    Args:
        optimizer: Optimizer whose learning rates are scaled.
        warmup: Part of the run that warms up, in [0, 1).
        total_steps: Steps of the run; null for the trainer's estimate.
    """

    def __init__(self, optimizer: Optimizer, warmup: float = 0.1, total_steps: int | None = None) -> None:
        if not 0 <= warmup < 1:
            raise SettingError(f"scheduler.init_args.warmup is {warmup}; expected at least 0 and less than 1")
        self.warmup = warmup
        self.total_steps = total_steps
        super().__init__(optimizer, self._factor)

    def run_over(self, total_steps: int) -> None:
        """Set the length of the run, before its first step."""
        self.total_steps = total_steps
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = base * self._factor(self.last_epoch)
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Return the position on the curve without its length, as a resumed run may be longer than planned."""
        return {key: value for key, value in super().state_dict().items() if key not in ("total_steps", "warmup")}

    def _factor(self, step: int) -> float:
        if self.total_steps is None:
            return 1.0
        first = self.warmup * self.total_steps
        if step < first:
            return (step + 1) / (first + 1)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - first) / max(1.0, self.total_steps - first))))
