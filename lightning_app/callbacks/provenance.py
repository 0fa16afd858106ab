"""What a model has heard, kept from stage to stage: the speakers that trained it, and how much of each clip."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn

from datamodules.clips.data import ClipData
from datamodules.clips.dataset import AudioReading
from datamodules.emotion_data import EmotionDataModule
from datamodules.errors import DataError
from datamodules.manifest.folds import speaker_keys
from stages.checkpoint import Checkpoint
from stages.init_from import source_files

# How training read recordings, as ``data.audio`` has it.
READING = ("seconds", "crop", "sample_rate", "pad", "resample_via")


class Provenance(Callback):
    """Adds to each checkpoint the name of its label set, and every speaker that trained it or what it started from.

    A checkpoint also says how much of each clip its training heard (``seconds``), which part (``crop``), at which rate
    (``sample_rate``, ``resample_via``) and how it was filled (``pad``), and the speakers by whose scores it was chosen
    (``selection_speakers``). Whoever tests or predicts at another rate, on another length than that of the middles that
    it was trained on, or on those speakers, is warned.

    An evaluation whose data keep speakers apart (``disjoint``) is refused if the model has heard one of its speakers:
    of another fold, of a run on all of the corpus, or of an earlier stage.
    """

    def __init__(self) -> None:
        self._heard: set[str] = set()
        self._reading: dict[str, Any] = dict.fromkeys(READING)
        self._chosen_by: set[str] = set()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        # A stage's own checkpoint knows what the one before knew.
        data: EmotionDataModule = trainer.datamodule  # type: ignore[attr-defined]
        named = getattr(pl_module, "resumed_from", None) or getattr(pl_module, "init_from", None)
        before = [Checkpoint.open(path) for path in source_files(named)]
        source = " and ".join(str(checkpoint.path) for checkpoint in before)
        self._heard = {speaker for checkpoint in before for speaker in checkpoint.training_speakers}
        self._chosen_by = {speaker for checkpoint in before for speaker in checkpoint.selection_speakers}
        for checkpoint in reversed(before):
            if checkpoint.seconds is not None:
                self._reading = {name: getattr(checkpoint, name) for name in READING}
        if stage == "fit":
            self._heard |= _speakers(data.training_rows)
            self._chosen_by |= _speakers(data.selection_rows)
            if data.audio is not None:
                self._reading = {name: getattr(data.audio, name) for name in READING}
                self._reading["sample_rate"] = _rate(data.audio, pl_module)
        elif isinstance(data, ClipData):
            for difference in self._differences(data, _rate(data.audio, pl_module), stage):
                rank_zero_warn(f"{source} {difference}")
        if stage == "test" and isinstance(data, ClipData) and "speaker" in data.split.disjoint:
            shared = sorted(self._heard & _speakers(data.table.test))
            if shared:
                raise DataError(
                    f"{data.manifest}: {source} was trained on {len(shared)} of the speakers to be tested: "
                    f"{_some(shared)}; test on the fold that it has not heard "
                    "(data.split.protocol and fold), or set data.split.disjoint to [] where this is intended"
                )

    def _differences(self, data: ClipData, rate: int, stage: str) -> Iterator[str]:
        # Whoever trains on random crops means to hear more of a clip later.
        seconds, trained_rate = self._reading["seconds"], self._reading["sample_rate"]
        if self._reading["crop"] != "random" and seconds not in (None, data.audio.seconds):
            yield (
                f"was trained on {seconds:g} s of each clip and now hears {data.audio.seconds:g} s; "
                "data.audio.seconds sets it"
            )
        if trained_rate not in (None, rate):
            yield f"was trained at {trained_rate} Hz and now hears {rate} Hz; data.audio.sample_rate sets it"
        if stage == "test" and (shared := sorted(self._chosen_by & _speakers(data.table.test))):
            yield (
                f"was chosen by its scores on {len(shared)} of the speakers to be tested: {_some(shared)}; "
                "scores on them flatter it a little"
            )

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        data: EmotionDataModule = trainer.datamodule  # type: ignore[attr-defined]
        checkpoint["label_set"] = data.label_set.setting()
        checkpoint["training_speakers"] = sorted(self._heard)
        checkpoint["selection_speakers"] = sorted(self._chosen_by)
        checkpoint |= self._reading


def _rate(audio: AudioReading, pl_module: LightningModule) -> int:
    return int(audio.sample_rate or pl_module.sample_rate)  # type: ignore[arg-type]


def _some(names: list[str]) -> str:
    """The first of them; a speaker of no corpus is kept as "/name"."""
    return ", ".join(name.removeprefix("/") for name in names[:5]) + (", ..." if names[5:] else "")


def _speakers(rows: pd.DataFrame | None) -> set[str]:
    return set() if rows is None else {str(speaker) for speaker in speaker_keys(rows) if speaker}
