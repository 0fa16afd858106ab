"""Lightning's count of epochs and batches in a checkpoint, where its own way to resume would leave something out."""

from typing import Any

LoopState = dict[str, Any]


def make_resumable(fit_loop: LoopState, validation_is_due: bool) -> None:
    """Change the loops' state so that a resumed run does what the interrupted one had still to do.

    Lightning goes on behind a batch or behind an epoch. Three states need help. Inside a validation, whose scores so
    far are not in a checkpoint, and before a validation, which would be left out, the resumed run is told to begin that
    validation anew. At the very start of an epoch it is told that the epoch has not begun.

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
