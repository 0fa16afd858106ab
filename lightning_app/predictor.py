"""Recognition of any audio by a trained stage, without a trainer."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike

from datamodules.audio.reading import AudioFormat, AudioSegment, Wave, crop_samples, read_crop
from datamodules.errors import DataError
from datamodules.labels import EMOTIONS
from lightning_app.runs.trained_stage import open_trained_stage
from models.errors import LabelError
from models.recognition import TEMPLATES, Clips, Recognition, recognise
from stages.errors import check_templates
from stages.stage import Stage


class Predictor:
    """A trained stage that recognises recordings; the numbers are those of ``lightning-cli test``.

    Recordings are read as in a test: mixed down to mono, resampled, the middle cut out or the end padded.

    Args:
        stage: The stage, with its weights.
        labels: Classes to recognise.
        words: These classes as texts name them.
        audio: What its encoder wants to hear.
        templates: Zero-shot prompts with ``{emotion}``.
        device: Where it runs, such as ``cpu`` or ``cuda``.

    Raises:
        LabelError: If the stage recognises nothing, or was not trained for one of the classes.
        SettingError: If there is no template, or one without ``{emotion}`` or with any other field.

    >>> predictor = Predictor.from_checkpoint("runs/classifier/best.ckpt")  # doctest: +SKIP
    >>> predictor("speech.wav").labels  # doctest: +SKIP
    {'zero-shot': 'anger', ..., 'text-trained classifier': 'anger'}
    """

    def __init__(
        self,
        stage: Stage,
        labels: Sequence[str],
        words: Sequence[str],
        audio: AudioFormat,
        templates: Sequence[str] = TEMPLATES,
        device: str | torch.device = "cpu",
    ) -> None:
        check_templates(templates, "templates")
        self.device, self.audio = torch.device(device), audio
        self.stage = stage.to(self.device).eval()
        with torch.inference_mode():
            self.recognisers = self.stage.recognisers(labels, words, templates)
        if not self.recognisers:
            raise LabelError(f"{type(stage).__name__} has nothing that recognises emotion")

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path,
        labels: Sequence[str] | None = None,
        seconds: float | None = None,
        templates: Sequence[str] = TEMPLATES,
        device: str | torch.device = "cpu",
        trust: Sequence[str] = (),
        plugins: Sequence[str | Path] = (),
    ) -> "Predictor":
        """Open the checkpoint of any stage.

        Args:
            path: Such as ``runs/classifier/best.ckpt``.
            labels: Classes to recognise, by default those that it was trained for. A shared space can be asked for any.
            seconds: Length of audio that it hears; by default as in a test: the length of training on the middles of
                clips, else 5 s.
            templates: Zero-shot prompts with ``{emotion}``.
            device: Where it runs, such as ``cpu`` or ``cuda``.
            trust: Packages whose classes the checkpoint may name, beside this program's and torch's.
            plugins: Folders in which such packages are looked for.

        Raises:
            CheckpointError: If it is not there, damaged, does not fit, or names classes that are not trusted.
            LabelError: If the stage recognises nothing, or was not trained for one of the classes.
            DataError: If ``seconds`` is no length.
        """
        trained = open_trained_stage(Path(path), trust, plugins)
        audio = trained.audio if seconds is None else replace(trained.audio, seconds=seconds)
        if audio.seconds <= 0:
            raise DataError(f"seconds is {audio.seconds:g}; expected a number above 0")
        if labels is None:
            return cls(trained.stage, trained.labels, trained.words, audio, templates, device)
        return cls(trained.stage, labels, [_word(label) for label in labels], audio, templates, device)

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

    def batch(self, recordings: Sequence[str | Path | tuple[ArrayLike, int]]) -> list[Recognition]:
        """Recognise several recordings at once: files, or pairs of samples and their rate in Hz.

        Raises:
            DataError: As of one recording; says which.
        """
        if not recordings:
            return []
        waves: list[Wave] = []
        lengths: list[int] = []
        for index, recording in enumerate(recordings):
            wave, length = self._read(recording, index)
            waves.append(wave)
            lengths.append(length)
        wave_NT = torch.from_numpy(np.stack(waves)).to(self.device)
        clips = Clips(wave=wave_NT, length=torch.tensor(lengths, device=self.device), features={})
        with torch.inference_mode():
            outputs = recognise(self.recognisers, clips)
        return [Recognition.of(outputs, index) for index in range(len(recordings))]

    def _read(self, recording: str | Path | tuple[ArrayLike, int], index: int) -> tuple[Wave, int]:
        if isinstance(recording, str | Path):
            return read_crop(AudioSegment(str(recording)), self.audio)
        samples, rate = recording
        return crop_samples(samples, rate, self.audio, f"recording {index}")


def _word(label: str) -> str:
    """A class as texts name it: "angry" for anger, and the word itself for what is no emotion of ours."""
    return EMOTIONS[label].adjective if label in EMOTIONS else label
