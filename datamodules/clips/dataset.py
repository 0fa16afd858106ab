"""Clips of a manifest as tensors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from datamodules.audio.augmentation import Augmentation
from datamodules.audio.reading import AudioFormat, Recording, Wave, read_crop
from datamodules.batch import ClipBatch
from datamodules.clips.loader import WorkLog
from datamodules.errors import DataError

Item = tuple["Clip", int, Wave | str, int]


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


@dataclass(frozen=True)
class Clip:
    """One row of a split: where the sound is, and what is known of it."""

    id: str
    corpus: str
    place: str
    label: int
    rating: tuple[float, float, float]
    caption: str
    tags: str
    recording: Recording
    sha256: str


class FeatureRows(Protocol):
    """Vectors by number: an array, or files that are read as they are needed."""

    def __getitem__(self, numbers: list[int]) -> NDArray[np.float32]:
        """Return these rows, [n, D]."""


@dataclass(frozen=True)
class SplitFeatures:
    """What frozen towers have made of clips and texts already.

    Args:
        clips: By tower, a row for each clip of the split, in order.
        texts: A row for each text that ``number`` knows; None where the text tower is not frozen.
        number: The row of each text.
        unreadable: What is wrong with recordings that could not be read, by the number of the clip.
        complete: Every tower that hears has its rows here, so that no sound need be read.
    """

    clips: Mapping[str, FeatureRows] = field(default_factory=dict)
    texts: FeatureRows | None = None
    number: Mapping[str, int] = field(default_factory=dict)
    unreadable: Mapping[int, str] = field(default_factory=dict)
    complete: bool = False


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
        kept: What frozen towers have made of the split.
        may_be_empty: Let a batch of which nothing could be read have no clips.
    """

    samples: int
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
        samples = 0 if self.kept.complete else self.samples
        caption, captions = _distinct([clip.caption for clip in clips])
        tag, tags = _distinct([clip.tags for clip in clips if clip.tags])
        return ClipBatch(
            wave=torch.from_numpy(np.array([wave for _, _, wave, _ in read], np.float32).reshape(len(read), samples)),
            length=torch.tensor([length for _, _, _, length in read], dtype=torch.int64),
            label=torch.tensor([clip.label for clip in clips], dtype=torch.int64),
            rating=torch.tensor([clip.rating for clip in clips], dtype=torch.float32).reshape(len(clips), 3),
            caption=caption,
            captions=captions,
            tag=tag,
            tags=tags,
            features=self._features([index for _, index, _, _ in read], captions, tags),
            id=[clip.id for clip in clips],
            corpus=[clip.corpus for clip in clips],
            skipped=skipped,
        )

    def _features(self, indices: list[int], captions: list[str], tags: list[str]) -> dict[str, Tensor]:
        features = {tower: torch.from_numpy(rows[indices]) for tower, rows in self.kept.clips.items()}
        if self.kept.texts is not None:
            for kind, texts in (("caption", captions), ("tag", tags)):
                features[kind] = torch.from_numpy(self.kept.texts[[self.kept.number[text] for text in texts]])
        return features


def _distinct(texts: list[str]) -> tuple[Tensor, list[str]]:
    """The row of each text in the table of distinct ones, int64 [n], and that table."""
    table = sorted(set(texts))
    number = {text: place for place, text in enumerate(table)}
    return torch.tensor([number[text] for text in texts], dtype=torch.int64), table
