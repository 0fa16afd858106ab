"""Settings that would train something else than what was asked for, refused before any model is built."""

import sys
from collections.abc import Mapping
from typing import Any

from lightning_app.config.files import ConfigError
from stages.stage import Stage

ACCUMULATION = "GradientAccumulationScheduler"


def require_sound_training(config: Mapping[str, Any]) -> None:
    """Check the sections ``trainer``, ``model`` and ``data`` of a ``fit``.

    Raises:
        ConfigError: If recordings and ratings would be rounded, or a loss that compares the clips of a batch would see
            a part of it, or a single clip.
    """
    trainer, data = config["trainer"], config["data"].get("init_args") or {}
    precision = str(trainer.get("precision"))
    if precision in ("bf16-true", "16-true") or precision.startswith("transformer-engine"):
        raise ConfigError(
            f"trainer.precision: {precision} rounds recordings and ratings to half precision before a stage sees them; "
            "train with bf16-mixed, or with 32-true"
        )
    stage, batch_size = _stage(config["model"]["class_path"]), (data.get("loading") or {}).get("batch_size")
    if stage is None or not stage.in_batch_loss:
        return
    if batch_size == 1:
        raise ConfigError(
            f"data.loading.batch_size: {batch_size}; the loss of this stage compares the clips of a batch, and batch "
            "normalisation needs several: set 2 or more"
        )
    batches = trainer.get("accumulate_grad_batches") or 1
    if batches > 1 or ACCUMULATION in str(trainer.get("callbacks")):
        whole = f"{batches} x {batch_size}" if batches > 1 and batch_size else "several batches"
        raise ConfigError(
            f"trainer.accumulate_grad_batches: the loss of this stage compares the clips of one batch, so that {whole} "
            "would not learn what one batch of that many clips does; set data.loading.batch_size higher, or take "
            "more devices (--trainer.devices), over which the loss is computed together"
        )


def _stage(class_path: str) -> type[Stage] | None:
    """The class of a stage; the parser has imported it."""
    module, _, name = class_path.rpartition(".")
    found = getattr(sys.modules.get(module), name, None)
    return found if isinstance(found, type) and issubclass(found, Stage) else None
