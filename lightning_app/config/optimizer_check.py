"""Whether an optimizer can be made of its settings, asked before any model is built."""

import math
import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import torch
from torch import nn

from lightning_app.config.files import ConfigError


def require_possible_optimizer(model: Mapping[str, Any]) -> None:
    """Make the optimizer of a stage for one number, and look at its groups.

    Args:
        model: The command's ``model`` section.

    Raises:
        ConfigError: If the optimizer refuses its settings, such as a learning rate below zero, or a group has one, or a
            pattern that is no regular expression.
    """
    for place, group in enumerate(model["init_args"].get("groups") or []):
        _require_possible_group(group, f"model.groups[{place}]")
    chosen = model["init_args"].get("optimizer")
    if chosen is None or "class_path" not in chosen:
        return
    module, _, name = chosen["class_path"].rpartition(".")
    arguments = dict(chosen.get("init_args") or {})
    try:
        getattr(import_module(module), name)([nn.Parameter(torch.zeros(1))], **arguments)
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"model.optimizer: {name} takes no such setting: {error}") from error


def _require_possible_group(group: Mapping[str, Any], key: str) -> None:
    try:
        re.compile(group["pattern"])
    except re.error as error:
        raise ConfigError(f"{key}.pattern: {group['pattern']!r} is no regular expression: {error}") from error
    for name in ("lr", "weight_decay"):
        value = group[name]
        if value is not None and not 0 <= value < math.inf:
            raise ConfigError(f"{key}.{name}: expected a number from 0 on, found {value:g}")
