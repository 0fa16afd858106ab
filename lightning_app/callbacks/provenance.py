"""Provenance of a model, in its checkpoints: speakers that trained and selected it, and how it read audio."""

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

# How training read recordings: settings of ``data.audio``.
READING = ("seconds", "crop", "sample_rate", "pad", "resample_via")


class Provenance(Callback):
    """Stores in each checkpoint its label set, and every speaker that trained it or a stage that it started from.

    A checkpoint also has the length of the crops that it was trained on (``seconds``), their position (``crop``), the
    sampling rate (``sample_rate``, ``resample_via``), the padding (``pad``), and the speakers by whose scores it was
    selected (``selection_speakers``). A test or prediction at another sampling rate, on another length than that of
    the middle crops of training, or on those speakers, gets a warning.

    An evaluation whose data have ``speaker`` among ``disjoint`` is refused if one of its speakers trained the model:
    with another fold, in a run on the whole corpus, or in an earlier stage.
    """

    def __init__(self) -> None:
        self._training_speakers: set[str] = set()
        self._selection_speakers: set[str] = set()
        self._reading: dict[str, Any] = dict.fromkeys(READING)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        data: EmotionDataModule = trainer.datamodule  # type: ignore[attr-defined]
        source = self._inherit(pl_module)
        if stage == "fit":
            self._add_training(data, pl_module)
        elif isinstance(data, ClipData):
            for difference in self._differences(data, _sample_rate(data.audio, pl_module), stage):
                rank_zero_warn(f"{source} {difference}")
        if stage == "test" and isinstance(data, ClipData) and "speaker" in data.split.disjoint:
            self._require_unseen_speakers(data, source)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        data: EmotionDataModule = trainer.datamodule  # type: ignore[attr-defined]
        checkpoint["label_set"] = data.label_set.setting()
        checkpoint["training_speakers"] = sorted(self._training_speakers)
        checkpoint["selection_speakers"] = sorted(self._selection_speakers)
        checkpoint |= self._reading

    def _inherit(self, pl_module: LightningModule) -> str:
        """Start with what the checkpoints before have, and return their names."""
        # A stage's own checkpoint has inherited from those that it started from.
        source = getattr(pl_module, "resumed_from", None) or getattr(pl_module, "init_from", None)
        checkpoints = [Checkpoint.open(path) for path in source_files(source)]
        self._training_speakers = {name for checkpoint in checkpoints for name in checkpoint.training_speakers}
        self._selection_speakers = {name for checkpoint in checkpoints for name in checkpoint.selection_speakers}
        first = next((checkpoint for checkpoint in checkpoints if checkpoint.seconds is not None), None)
        if first is not None:
            self._reading = {name: getattr(first, name) for name in READING}
        return " and ".join(str(checkpoint.path) for checkpoint in checkpoints)

    def _add_training(self, data: EmotionDataModule, pl_module: LightningModule) -> None:
        self._training_speakers |= _speakers(data.training_rows)
        self._selection_speakers |= _speakers(data.selection_rows)
        if data.audio is not None:
            self._reading = {name: getattr(data.audio, name) for name in READING}
            self._reading["sample_rate"] = _sample_rate(data.audio, pl_module)

    def _differences(self, data: ClipData, rate: int, stage: str) -> Iterator[str]:
        """Differences between training and evaluation, as the ends of sentences."""
        seconds = self._reading["seconds"]
        trained_rate = self._reading["sample_rate"]
        # Training on random crops is meant for clips of any length.
        if self._reading["crop"] != "random" and seconds not in (None, data.audio.seconds):
            yield (
                f"was trained on {seconds:g} s of each clip and now hears {data.audio.seconds:g} s; "
                "data.audio.seconds sets it"
            )
        if trained_rate not in (None, rate):
            yield f"was trained at {trained_rate} Hz and now hears {rate} Hz; data.audio.sample_rate sets it"
        if stage == "test" and (shared := self._selection_speakers & _speakers(data.table.test)):
            yield (
                f"was chosen by its scores on {len(shared)} of the speakers to be tested: {_first_names(shared)}; "
                "scores on them flatter it a little"
            )

    def _require_unseen_speakers(self, data: ClipData, source: str) -> None:
        shared = self._training_speakers & _speakers(data.table.test)
        if shared:
            raise DataError(
                f"{data.manifest}: {source} was trained on {len(shared)} of the speakers to be tested: "
                f"{_first_names(shared)}; test on the fold that it has not heard "
                "(data.split.protocol and fold), or set data.split.disjoint to [] where this is intended"
            )


def _sample_rate(audio: AudioReading, pl_module: LightningModule) -> int:
    return int(audio.sample_rate or pl_module.sample_rate)  # type: ignore[arg-type]


def _speakers(rows: pd.DataFrame | None) -> set[str]:
    if rows is None:
        return set()
    return {str(speaker) for speaker in speaker_keys(rows) if speaker}


def _first_names(speakers: set[str]) -> str:
    """The first five; a speaker of no corpus is stored as "/name"."""
    names = [name.removeprefix("/") for name in sorted(speakers)]
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
