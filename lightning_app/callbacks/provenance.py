"""What a model has heard, kept from stage to stage: the speakers that trained it, and how much of each clip."""

from collections.abc import Iterator
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn

from datamodules.clips.data import ClipData
from datamodules.emotion_data import EmotionDataModule
from datamodules.errors import DataError
from datamodules.manifest.folds import speaker_keys
from stages.checkpoint import Checkpoint
from stages.init_from import source_files


class Provenance(Callback):
    """Adds to each checkpoint the name of its label set, and every speaker that trained it or what it started from.

    A checkpoint also says how much of each clip its training heard (``seconds``), which part (``crop``) and at which
    rate (``sample_rate``), and the speakers by whose scores it was chosen (``selection_speakers``). Whoever tests or
    predicts at another rate, on another length than that of the middles that it was trained on, or on those speakers,
    is warned.

    An evaluation whose data keep speakers apart (``disjoint``) is refused if the model has heard one of its speakers:
    of another fold, of a run on all of the corpus, or of an earlier stage.
    """

    def __init__(self) -> None:
        self._heard: set[str] = set()
        self._seconds: float | None = None
        self._crop: str | None = None
        self._rate: int | None = None
        self._chosen_by: set[str] = set()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        # A stage's own checkpoint knows what the one before knew.
        data = trainer.datamodule  # type: ignore[attr-defined]
        named = getattr(pl_module, "resumed_from", None) or getattr(pl_module, "init_from", None)
        before = [Checkpoint.open(path) for path in source_files(named)]
        source = " and ".join(str(checkpoint.path) for checkpoint in before)
        self._heard = {speaker for checkpoint in before for speaker in checkpoint.training_speakers}
        self._chosen_by = {speaker for checkpoint in before for speaker in checkpoint.selection_speakers}
        for checkpoint in reversed(before):
            if checkpoint.seconds is not None:
                self._seconds, self._crop, self._rate = checkpoint.seconds, checkpoint.crop, checkpoint.sample_rate
        if stage == "fit" and isinstance(data, ClipData):
            self._heard |= _speakers(data.train_rows)
            self._seconds, self._crop, self._rate = data.audio.seconds, data.audio.crop, _rate(data, pl_module)
            if data.has_dev:
                self._chosen_by |= _speakers(data.rows[data.rows["split"] == "dev"])
        elif isinstance(data, ClipData):
            for difference in self._differences(data, _rate(data, pl_module), stage):
                rank_zero_warn(f"{source} {difference}")
        if stage == "test" and isinstance(data, ClipData) and "speaker" in data.split.disjoint:
            shared = sorted(self._heard & _speakers(data.test_rows))
            if shared:
                raise DataError(
                    f"{data.manifest}: {source} was trained on {len(shared)} of the speakers to be tested: "
                    f"{_some(shared)}; test on the fold that it has not heard "
                    "(data.split.protocol and fold), or set data.split.disjoint to [] where this is intended"
                )

    def _differences(self, data: ClipData, rate: int, stage: str) -> Iterator[str]:
        # Whoever trains on random crops means to hear more of a clip later.
        if self._crop != "random" and self._seconds not in (None, data.audio.seconds):
            yield (
                f"was trained on {self._seconds:g} s of each clip and now hears {data.audio.seconds:g} s; "
                "data.audio.seconds sets it"
            )
        if self._rate not in (None, rate):
            yield f"was trained at {self._rate} Hz and now hears {rate} Hz; data.audio.sample_rate sets it"
        if stage == "test" and (shared := sorted(self._chosen_by & _speakers(data.test_rows))):
            yield (
                f"was chosen by its scores on {len(shared)} of the speakers to be tested: {_some(shared)}; "
                "scores on them flatter it a little"
            )

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        data: EmotionDataModule = trainer.datamodule  # type: ignore[attr-defined]
        checkpoint["label_set"] = data.view.name
        checkpoint["training_speakers"] = sorted(self._heard)
        checkpoint["selection_speakers"] = sorted(self._chosen_by)
        checkpoint["seconds"], checkpoint["crop"], checkpoint["sample_rate"] = self._seconds, self._crop, self._rate


def _rate(data: ClipData, pl_module: LightningModule) -> int:
    return int(data.audio.sample_rate or pl_module.sample_rate)  # type: ignore[arg-type]


def _some(names: list[str]) -> str:
    """The first of them; a speaker of no corpus is kept as "/name"."""
    return ", ".join(name.removeprefix("/") for name in names[:5]) + (", ..." if names[5:] else "")


def _speakers(rows: Any) -> set[str]:
    return {str(speaker) for speaker in speaker_keys(rows) if speaker}
