"""Clips of a manifest as tensors."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch.utils.data import Dataset

from datamodules.audio.augmentation import Augmentation
from datamodules.audio.reading import AudioFormat, Wave, read_crop
from datamodules.batch import ClipBatch, TextColumn
from datamodules.clips.rows import Clip
from datamodules.clips.work_log import WorkLog
from datamodules.errors import DataError
from datamodules.features import SplitFeatures

Item = tuple[Clip, int, Wave | str, int]


@dataclass(frozen=True)
class AudioReading:
    """How recordings become waveforms.

    Args:
        seconds: Length that every clip is cut or padded to.
        crop: Part of a longer recording that is heard in training: ``random``, another one in each epoch, or its
            ``middle``, so that a frozen encoder need hear each clip only once. Testing always hears the middle.
        sample_rate: In Hz; null asks the encoder.
        resample_via: Rate in Hz through which all audio passes first, such as 16000 to hear no more than another
            system does.
        pad: How shorter clips are filled, ``zero`` or ``repeat``.
        augmentation: Random changes in training; null for none.
        on_bad_audio: ``raise`` on a recording that is not there, cannot be read, or is not what the manifest has
            the ``sha256`` of, or ``skip``, count and list it.
    """

    seconds: float = 5.0
    crop: Literal["random", "middle"] = "random"
    sample_rate: int | None = None
    resample_via: int | None = None
    pad: Literal["zero", "repeat"] = "zero"
    augmentation: Augmentation | None = None
    on_bad_audio: Literal["raise", "skip"] = "raise"

    def at(self, sample_rate: int) -> AudioFormat:
        """What an encoder hears that hears at this rate."""
        return AudioFormat(sample_rate, self.seconds, self.pad, self.resample_via)


class Clips(Dataset[Item]):
    """Reads clips by (epoch, index).

    Args:
        clips: The rows, plain objects: loader processes share their memory without copying a table.
        form: What the encoder wants to hear.
        augmentation: Changes in training; None reads the middle of each recording as it is.
        seed: Of crops and augmentation, which are functions of (seed, epoch, index).
        random_crop: Crop at random (training) or in the middle.
        on_bad_audio: ``raise`` on the first recording that cannot be read, or ``skip`` it and say so in the batch.
        kept: What need not be read again.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        form: AudioFormat,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        random_crop: bool = False,
        on_bad_audio: Literal["raise", "skip"] = "raise",
        kept: SplitFeatures | None = None,
    ) -> None:
        self.clips, self.form, self.augmentation = clips, form, augmentation
        self.seed, self.random_crop, self.on_bad_audio = seed, random_crop, on_bad_audio
        self.kept = kept or SplitFeatures()
        self.work = WorkLog(self._where)

    @property
    def text_names(self) -> tuple[str, ...]:
        """Names of the texts that each clip has."""
        return tuple(self.clips[0].texts) if self.clips else ()

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the further columns that each clip has."""
        return tuple(self.clips[0].columns) if self.clips else ()

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, key: tuple[int, int]) -> Item:
        epoch, index = key
        clip = self.clips[index]
        if index in self.kept.unreadable:
            return clip, index, self.kept.unreadable[index], 0
        if self.kept.complete:
            return clip, index, np.empty(0, np.float32), 0
        draw = np.random.default_rng([self.seed, epoch, index])
        place = float(draw.random()) if self.random_crop else 0.5
        speed = self.augmentation.draw_speed(draw) if self.augmentation else 1.0
        try:
            with self.work.reading(index):
                wave, length = read_crop(clip.recording, self.form, place, speed)
        except DataError as error:
            if self.on_bad_audio == "skip":
                return clip, index, f"{clip.place}: {error}", 0
            raise DataError(
                f"{clip.place}: {error}\n  (or set data.audio.on_bad_audio to skip, which counts and lists them)"
            ) from None
        return clip, index, self.augmentation.apply(wave, length, draw) if self.augmentation else wave, length

    def _where(self, index: int) -> str:
        return f"{self.clips[index].recording.file} ({self.clips[index].place})"


@dataclass(frozen=True)
class Collate:
    """Makes a batch of clips.

    Args:
        samples: Length of a waveform.
        names: Of the texts that each clip has.
        columns: Names of its further columns.
        kept: What frozen encoders have made of the split.
        may_be_empty: Let a batch of which nothing could be read have no clips.
    """

    samples: int
    names: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    kept: SplitFeatures = field(default_factory=SplitFeatures)
    may_be_empty: bool = False

    def __call__(self, items: list[Item]) -> ClipBatch:
        """Stack what could be read; list what could not.

        Raises:
            DataError: If nothing could be read and the batch may not be empty.
        """
        skipped = [wave for _, _, wave, _ in items if isinstance(wave, str)]
        read = [(clip, index, wave, length) for clip, index, wave, length in items if not isinstance(wave, str)]
        if not read and not self.may_be_empty:
            raise DataError("no recording of a whole batch can be read:\n  " + "\n  ".join(skipped[:5]))
        clips = [clip for clip, _, _, _ in read]
        indices = [index for _, index, _, _ in read]
        samples = 0 if self.kept.complete else self.samples
        return ClipBatch(
            wave=torch.from_numpy(np.array([wave for _, _, wave, _ in read], np.float32).reshape(len(read), samples)),
            length=torch.tensor([length for _, _, _, length in read], dtype=torch.int64),
            label=torch.tensor([clip.label for clip in clips], dtype=torch.int64),
            rating=torch.tensor([clip.rating for clip in clips], dtype=torch.float32).reshape(len(clips), 3),
            texts={name: self._column([clip.texts[name] for clip in clips]) for name in self.names},
            columns={
                name: torch.tensor([clip.columns[name] for clip in clips], dtype=torch.float32) for name in self.columns
            },
            features={encoder: torch.from_numpy(rows[indices]) for encoder, rows in self.kept.clips.items()},
            id=[clip.id for clip in clips],
            corpus=[clip.corpus for clip in clips],
            skipped=skipped,
        )

    def _column(self, texts: list[str]) -> TextColumn:
        distinct = sorted(set(texts))
        place = {text: number for number, text in enumerate(distinct)}
        row = torch.tensor([place[text] for text in texts], dtype=torch.int64)
        if self.kept.texts is None:
            return TextColumn(row, distinct)
        vectors = self.kept.texts[[self.kept.number[text] for text in distinct]]
        return TextColumn(row, distinct, torch.from_numpy(vectors))
