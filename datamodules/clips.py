"""Clips of a manifest as tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch.utils.data import Dataset

from datamodules.audio import AudioFormat, Recording, Wave, read_crop
from datamodules.augmentation import Augmentation
from datamodules.batch import ClipBatch
from datamodules.errors import DataError


@dataclass(frozen=True)
class Clip:
    """One row of a split: where the sound is, and what is known of it."""

    id: str
    corpus: str
    place: str
    label: int
    caption: int
    recording: Recording


class Clips(Dataset[tuple[Clip, Wave | str, int]]):
    """Reads clips by (epoch, index).

    Args:
        clips: The rows, plain objects: loader processes share their memory without copying a table.
        form: What the encoder wants to hear.
        augmentation: Changes in training; None reads the middle of each recording as it is.
        seed: Of crops and augmentation, which are functions of (seed, epoch, index).
        random_crop: Crop at random (training) or in the middle.
        on_bad_audio: ``raise`` on the first recording that cannot be read, or ``skip`` it and say so in the batch.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        form: AudioFormat,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        random_crop: bool = False,
        on_bad_audio: Literal["raise", "skip"] = "raise",
    ) -> None:
        self.clips, self.form, self.augmentation = clips, form, augmentation
        self.seed, self.random_crop, self.on_bad_audio = seed, random_crop, on_bad_audio

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Clip, Wave | str, int]:
        epoch, index = key
        clip = self.clips[index]
        draw = np.random.default_rng([self.seed, epoch, index])
        place = float(draw.random()) if self.random_crop else 0.5
        speed = self.augmentation.draw_speed(draw) if self.augmentation else 1.0
        try:
            wave, length = read_crop(clip.recording, self.form, place, speed)
        except DataError as error:
            if self.on_bad_audio == "skip":
                return clip, f"{clip.place}: {error}", 0
            raise DataError(
                f"{clip.place}: {error}\n  (or set data.init_args.on_bad_audio to skip, which counts and lists them)"
            ) from None
        return clip, self.augmentation.apply(wave, length, draw) if self.augmentation else wave, length


@dataclass(frozen=True)
class Collate:
    """Makes a batch of clips.

    Args:
        captions: The split's distinct captions.
        caption_labels: The class of each.
        samples: Length of a waveform.
        may_be_empty: Let a batch of which nothing could be read have no clips.
    """

    captions: list[str]
    caption_labels: list[int]
    samples: int
    may_be_empty: bool = False

    def __call__(self, items: list[tuple[Clip, Wave | str, int]]) -> ClipBatch:
        """Stack what could be read; list what could not.

        Raises:
            DataError: If nothing could be read and the batch may not be empty.
        """
        skipped = [wave for _, wave, _ in items if isinstance(wave, str)]
        read = [(clip, wave, length) for clip, wave, length in items if not isinstance(wave, str)]
        if not read and not self.may_be_empty:
            raise DataError("no recording of a whole batch can be read:\n  " + "\n  ".join(skipped[:5]))
        return ClipBatch(
            wave=torch.from_numpy(np.array([wave for _, wave, _ in read]).reshape(len(read), self.samples)),
            length=torch.tensor([length for _, _, length in read], dtype=torch.int64),
            label=torch.tensor([clip.label for clip, _, _ in read], dtype=torch.int64),
            caption=torch.tensor([clip.caption for clip, _, _ in read], dtype=torch.int64),
            caption_label=torch.tensor(self.caption_labels, dtype=torch.int64),
            captions=self.captions,
            id=[clip.id for clip, _, _ in read],
            corpus=[clip.corpus for clip, _, _ in read],
            skipped=skipped,
        )
