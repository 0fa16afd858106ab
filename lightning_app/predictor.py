"""Recognition of any audio by a trained stage, from its checkpoint, without a trainer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike

from datamodules.audio.reading import AudioFormat, Recording, crop_samples, read_crop
from datamodules.clips.dataset import AudioReading
from datamodules.errors import DataError
from datamodules.labels import EMOTIONS
from lightning_app.runs.trained_stage import TrainedStage, open_trained_stage
from models.errors import LabelError
from models.recognition import TEMPLATES, Clips, Output, Scores, Texts, recognise

Source = str | Path | tuple[ArrayLike, int]


@dataclass(frozen=True)
class Recognition:
    """What a model says of one recording, by system.

    Attributes:
        scores: Of each class, in ``units``; the class with the largest is recognised.
        units: ``cosine``, in [-1, 1], or ``logit``, of which softmax gives probabilities.
        ratings: Of each dimension, on the scale of the training data: 1 to 7, and little beyond.
        texts: Answers in words.
    """

    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    ratings: dict[str, dict[str, float]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def labels(self) -> dict[str, str]:
        """The class that each system recognises."""
        return {system: max(of_class, key=of_class.__getitem__) for system, of_class in self.scores.items()}

    def __str__(self) -> str:
        lines: list[str] = []
        for system, label in self.labels.items():
            lines.append(f"{system}: {label} ({_listed(self.scores[system])}; {self.units[system]})")
        for system, of_dimension in self.ratings.items():
            lines.append(f"{system}: {_listed(of_dimension)}")
        for system, text in self.texts.items():
            lines.append(f"{system}: {text}")
        return "\n".join(lines)


class Predictor:
    """A trained stage that recognises recordings; the numbers are those of ``lightning-cli test``.

    Recordings are read as in training: mixed down to mono, resampled, the middle cut out or the end padded.

    Args:
        trained: The stage, and what its checkpoint knows.
        labels: Classes to recognise; null takes those that it was trained for. A shared space can be asked for any.
        seconds: Length of audio that it hears; null takes that of training on the middles of clips, else 5 s.
        device: Where it runs, such as ``cpu`` or ``cuda``.
        templates: Zero-shot prompts with ``{emotion}``.

    Raises:
        LabelError: If it recognises nothing, or was not trained for one of the classes.
    """

    def __init__(
        self,
        trained: TrainedStage,
        labels: Sequence[str] | None = None,
        seconds: float | None = None,
        device: str | torch.device = "cpu",
        templates: Sequence[str] = TEMPLATES,
    ) -> None:
        self.device = torch.device(device)
        self.stage = trained.stage.to(self.device).eval()
        self.format = _audio_format(trained, seconds)
        self.labels = list(trained.labels if labels is None else labels)
        words = trained.words if labels is None else [_word(label) for label in labels]
        with torch.inference_mode():
            self.recognisers = self.stage.recognisers(self.labels, words, templates)
        if not self.recognisers:
            raise LabelError(f"{trained.path}: {type(self.stage).__name__} has nothing that recognises emotion")

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path,
        labels: Sequence[str] | None = None,
        seconds: float | None = None,
        device: str | torch.device = "cpu",
        templates: Sequence[str] = TEMPLATES,
        trust: Sequence[str] = (),
        plugins: Sequence[str | Path] = (),
    ) -> "Predictor":
        """Open the checkpoint of any stage.

        Args:
            path: Such as ``runs/classifier/best.ckpt``.
            labels: As of the class.
            seconds: Likewise.
            device: Likewise.
            templates: Likewise.
            trust: Packages whose classes the checkpoint may name, beside this program's and torch's.
            plugins: Folders in which such packages are looked for.

        Raises:
            CheckpointError: If it is not there, damaged, does not fit, or names classes that are not trusted.
            LabelError: As of the class.
        """
        trained = open_trained_stage(Path(path), trust, plugins)
        return cls(trained, labels, seconds, device, templates)

    def __call__(self, recording: str | Path | ArrayLike, rate: int | None = None) -> Recognition:
        """Recognise one recording.

        Args:
            recording: An audio file, or samples in [-1, 1]: [T] or [T, channels].
            rate: Of samples, in Hz.

        Raises:
            DataError: If it cannot be read, is shorter than 25 ms, or holds values that are no sound.
        """
        if isinstance(recording, str | Path):
            return self.batch([recording])[0]
        if rate is None:
            raise DataError("samples without their rate; name their rate in Hz, too: predictor(samples, 16000)")
        return self.batch([(recording, rate)])[0]

    def batch(self, recordings: Sequence[Source]) -> list[Recognition]:
        """Recognise several recordings at once: files, or pairs of samples and their rate in Hz.

        Raises:
            DataError: As of one recording; says which.
        """
        if not recordings:
            return []
        heard = [self._hear(recording, index) for index, recording in enumerate(recordings)]
        clips = Clips(
            wave=torch.from_numpy(np.stack([wave for wave, _ in heard])).to(self.device),
            length=torch.tensor([length for _, length in heard], device=self.device),
            features={},
        )
        with torch.inference_mode():
            outputs = recognise(self.recognisers, clips)
        return [_recognition(outputs, index) for index in range(len(recordings))]

    def _hear(self, source: Source, index: int) -> tuple[np.ndarray, int]:
        if isinstance(source, str | Path):
            return read_crop(Recording(str(source)), self.format)
        samples, rate = source
        return crop_samples(samples, rate, self.format, f"recording {index}")


def _audio_format(trained: TrainedStage, seconds: float | None) -> AudioFormat:
    """How recordings are read, by the rules of ``test``."""
    reading = AudioReading(**trained.reading)
    length = reading.seconds if seconds is None else seconds
    if length <= 0:
        raise DataError(f"seconds is {length:g}; expected a number above 0")
    return AudioFormat(trained.stage.sample_rate, length, reading.pad, reading.resample_via)


def _word(label: str) -> str:
    """A class as texts name it: "angry" for anger, and the word itself for what is no emotion of ours."""
    return EMOTIONS[label].adjective if label in EMOTIONS else label


def _recognition(outputs: dict[str, Output], index: int) -> Recognition:
    """What the systems say of one recording of a batch."""
    found = Recognition()
    for system, output in outputs.items():
        if isinstance(output, Texts):
            found.texts[system] = output.text[index]
            continue
        values = dict(zip(output.labels, output.value[index].tolist(), strict=True))
        if isinstance(output, Scores):
            found.scores[system], found.units[system] = values, output.unit
        else:
            found.ratings[system] = values
    return found


def _listed(values: dict[str, float]) -> str:
    return ", ".join(f"{label} {value:.3f}" for label, value in values.items())
