"""What a model has heard, kept from stage to stage: the speakers that trained it, and how much of each clip."""

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn

from datamodules.clip_data import ClipData
from datamodules.errors import DataError
from datamodules.folds import speaker_keys
from datamodules.stage_data import StageData
from stages.handoff import read_checkpoint


class Provenance(Callback):
    """Adds to each checkpoint the view of its classes, and every speaker that it or its predecessors were trained on.

    A checkpoint also says how much of each clip its training heard (``seconds``), and which part (``crop``). Whoever
    tests or predicts on another length is warned.

    An evaluation whose data keep speakers apart (``disjoint``) is refused if the model has heard one of its speakers:
    of another fold, of a run on all of the corpus, or of an earlier stage.
    """

    def __init__(self) -> None:
        self._heard: set[str] = set()
        self._seconds: float | None = None
        self._crop: str | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        # A stage's own checkpoint knows what the one before knew.
        data = trainer.datamodule  # type: ignore[attr-defined]
        source = getattr(pl_module, "resumed_from", None) or getattr(pl_module, "init_from", None)
        before = read_checkpoint(Path(source)) if source else {}
        self._heard = set(before.get("trained_on", []))
        self._seconds, self._crop = before.get("seconds"), before.get("crop")
        if stage == "fit" and isinstance(data, ClipData):
            self._heard |= _speakers(data.train_rows)
            self._seconds, self._crop = data.seconds, data.crop
        elif isinstance(data, ClipData) and self._seconds not in (None, data.seconds):
            rank_zero_warn(
                f"{source} was trained on {self._seconds:g} s of each clip and now hears {data.seconds:g} s; "
                "data.init_args.seconds sets it"
            )
        if stage == "test" and isinstance(data, ClipData) and "speaker" in data.disjoint:
            shared = sorted(self._heard & _speakers(data.test_rows))
            if shared:
                raise DataError(
                    f"{data.manifest}: {source} was trained on {len(shared)} of the speakers to be tested: "
                    f"{', '.join(shared[:5])}{', ...' if shared[5:] else ''}; test on the fold that it has not heard "
                    "(data.init_args.protocol and fold), or set data.init_args.disjoint to [] where this is intended"
                )

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        data: StageData = trainer.datamodule  # type: ignore[attr-defined]
        checkpoint["trained_on"] = sorted(self._heard)
        checkpoint["view"] = data.view.name
        checkpoint["seconds"], checkpoint["crop"] = self._seconds, self._crop


def _speakers(rows: Any) -> set[str]:
    return {str(speaker) for speaker in speaker_keys(rows) if speaker}
