"""Checks of a command's settings before any model is built."""

import math
import re
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn

from datamodules.errors import DataError
from lightning_app.config.files import is_file
from lightning_app.errors import ConfigError
from stages.stage import Stage

_ACCUMULATION = "GradientAccumulationScheduler"


def require_valid_training(config: Mapping[str, Any]) -> None:
    """Refuse settings that would train something other than what was asked for.

    Args:
        config: The settings of a ``fit``, with the sections ``trainer``, ``model`` and ``data``.

    Raises:
        ConfigError: If recordings and ratings would be rounded, or a loss that compares the clips of a batch would see
            a part of it, or a single clip.
    """
    trainer = config["trainer"]
    data = config["data"].get("init_args") or {}
    precision = str(trainer.get("precision"))
    if precision in ("bf16-true", "16-true") or precision.startswith("transformer-engine"):
        raise ConfigError(
            f"trainer.precision: {precision} rounds recordings and ratings to half precision before a stage sees them; "
            "train with bf16-mixed, or with 32-true"
        )
    stage = _stage(config["model"]["class_path"])
    batch_size = (data.get("loading") or {}).get("batch_size")
    if stage is None or not stage.in_batch_loss:
        return
    if batch_size == 1:
        raise ConfigError(
            f"data.loading.batch_size: {batch_size}; the loss of this stage compares the clips of a batch, and batch "
            "normalisation needs several: set 2 or more"
        )
    batches = trainer.get("accumulate_grad_batches") or 1
    if batches > 1 or _ACCUMULATION in str(trainer.get("callbacks")):
        whole = f"{batches} x {batch_size}" if batches > 1 and batch_size else "several batches"
        raise ConfigError(
            f"trainer.accumulate_grad_batches: the loss of this stage compares the clips of one batch, so that {whole} "
            "would not learn what one batch of that many clips does; set data.loading.batch_size higher, or take "
            "more devices (--trainer.devices), over which the loss is computed together"
        )


def _stage(class_path: str) -> type[Stage] | None:
    """The class of a stage, which the parser has imported."""
    module, _, name = class_path.rpartition(".")
    found = getattr(sys.modules.get(module), name, None)
    return found if isinstance(found, type) and issubclass(found, Stage) else None


def require_possible_optimizer(model: Mapping[str, Any]) -> None:
    """Build the optimizer of a stage for a single number, and check its parameter groups.

    Args:
        model: The command's ``model`` section.

    Raises:
        ConfigError: If the optimizer refuses its settings, such as a learning rate below zero, or a group has one, or a
            pattern that is no regular expression.
    """
    for index, group in enumerate(model["init_args"].get("groups") or []):
        _require_possible_group(group, f"model.groups[{index}]")
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


def require_manifest(data: Mapping[str, Any], words: Sequence[str]) -> None:
    """Refuse a missing manifest that lies beside the configuration file that names it, with the path to use.

    Args:
        data: The command's ``data`` section.
        words: The command line, with its configuration files.

    Raises:
        DataError: If the manifest is missing here, and is there beside a configuration file; names both.
    """
    named = (data.get("init_args") or {}).get("manifest")
    if named is None or Path(named).is_absolute() or Path(named).exists():
        return
    for word in words:
        beside = Path(word.partition("=")[2] if word.startswith("--") else word).parent / named
        if word.endswith(".yaml") and is_file(beside):
            raise DataError(
                f"data.init_args.manifest: {named} is not there (looked for {Path(named).absolute()}), and lies beside "
                f"{word.removeprefix('--config=')}; paths in it are relative to the folder where the command runs: "
                f"--data.manifest {beside}"
            )
