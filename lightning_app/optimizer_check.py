"""Whether an optimizer can be made of its settings, asked before any model is built."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import torch
from torch import nn

from lightning_app.config_files import ConfigError


def require_possible_optimizer(model: Mapping[str, Any]) -> None:
    """Make the optimizer of a stage for one number.

    Args:
        model: The command's ``model`` section.

    Raises:
        ConfigError: If the optimizer refuses its settings, such as a learning rate below zero.
    """
    chosen = model["init_args"].get("optimizer")
    if chosen is None or "class_path" not in chosen:
        return
    module, _, name = chosen["class_path"].rpartition(".")
    arguments = dict(chosen.get("init_args") or {})
    try:
        getattr(import_module(module), name)([nn.Parameter(torch.zeros(1))], **arguments)
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"model.optimizer: {name} takes no such setting: {error}") from error
