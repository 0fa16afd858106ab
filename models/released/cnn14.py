"""Cnn14 as released: PANNs, and what every file with a Cnn14 has in common."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.audio.cnn14 import Cnn14
from models.audio.spectrogram import LogMel
from models.errors import WeightsError
from models.load_state import Rule, install, rename
from models.released.files import read_released

SPECTROGRAM = r"(spectrogram_extractor|logmel_extractor)\."
"""Tensors of the fixed spectrogram, which our encoder computes from its settings."""

AUDIOSET_HEAD = r"^audio\.fc_audioset\."
"""Classifier of AudioSet tags, which an encoder may lack."""


class FrontEnd(NamedTuple):
    """Front end that some Cnn14 was released or configured with."""

    sample_rate: int
    window: int
    hop: int
    fmin: float
    fmax: float


FRONT_ENDS = (
    FrontEnd(8000, 256, 80, 50, 4000),  # PANNs Cnn14_8k
    FrontEnd(16000, 512, 160, 50, 8000),  # PANNs Cnn14_16k
    FrontEnd(32000, 1024, 320, 50, 14000),  # PANNs Cnn14
    FrontEnd(44100, 1024, 320, 50, 14000),  # msclap 2022
    FrontEnd(48000, 1024, 480, 50, 14000),  # LAION PANN-14
    FrontEnd(48000, 1024, 480, 50, 18000),  # LAION PANN-14-fmax-18k
    FrontEnd(48000, 1024, 360, 50, 8000),  # LAION PANN-14-fmax-8k-20s
    FrontEnd(48000, 1536, 480, 50, 14000),  # LAION PANN-14-win-1536
)


class Panns:
    """A released Cnn14 for the audio tower; the text tower and the projections stay as they are.

    The classifier of AudioSet tags is loaded if the encoder has one.

    Args:
        path: File from Zenodo record 3987831.

    Reference: Kong et al., "PANNs: Large-Scale Pretrained Audio Neural Networks", TASLP 2020.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, clap: nn.Module) -> str:
        """Fill ``clap.audio`` and return one line about it.

        Raises:
            WeightsError: If the file is missing or does not fit the encoder exactly.
        """
        origin = (
            "Cnn14_16k_mAP=0.438.pth (16 kHz) and Cnn14_mAP=0.431.pth (32 kHz) are at "
            "https://zenodo.org/records/3987831"
        )
        state = read_released(self.path, "PANNs Cnn14", origin)
        check_front_end(clap.audio, state, "", self.path.name)
        tensors = rename(state, cnn14_rules(""), ignored=SPECTROGRAM)
        return install(clap, tensors, self.path.name, ["audio."], optional=AUDIOSET_HEAD)


def cnn14_rules(prefix: str) -> tuple[Rule, ...]:
    """Return the rules that rename tensors of PANNs, whose names begin with a pattern."""
    blocks = tuple((rf"{prefix}conv_block{i + 1}\.", f"audio.blocks.{i}.") for i in range(6))
    return (*blocks, (rf"{prefix}(bn0|fc1|fc_audioset)\.", r"audio.\1."))


def check_front_end(encoder: Tensor | nn.Module, state: Mapping[str, Tensor], prefix: str, file: str) -> None:
    """Compare the encoder's spectrogram with that of released weights, whose names begin with ``prefix``.

    Raises:
        WeightsError: If the encoder is no Cnn14, or has another spectrogram; the message names the keys to set.
    """
    if not isinstance(encoder, Cnn14):
        raise WeightsError(f"{file} holds a Cnn14, the model's audio encoder is a {type(encoder).__name__}")
    if encoder.stem_stride != 1:
        raise WeightsError(f"{file} was trained with a first stride of 1; set stem_stride: 1 in the audio encoder")
    filters_FM = state.get(f"{prefix}logmel_extractor.melW")
    if filters_FM is None:
        raise WeightsError(f"{file} has no {prefix}logmel_extractor.melW; the spectrogram it needs is unknown")
    differing = []
    for key, expected in _settings(filters_FM).items():
        found = getattr(encoder.logmel, key)
        if found != expected:
            differing.append(f"{key}: {expected:g} (it has {found:g})")
    if differing:
        raise WeightsError(
            f"{file} was trained on another spectrogram than the audio encoder computes; set in its init_args: "
            + ", ".join(differing)
        )
    if not _same(encoder.logmel.filters_FM, filters_FM):
        raise WeightsError(
            f"{file} was trained with other mel filters than the audio encoder's; set sample_rate, fmin and fmax to "
            "those of its training"
        )


def _settings(filters_FM: Tensor) -> dict[str, float]:
    """Infer the settings from a filter bank: from its shape, and from the front end that has its values."""
    window = 2 * (len(filters_FM) - 1)
    mels = filters_FM.shape[1]
    for known in FRONT_ENDS:
        if known.window == window and _same(_bank(known, mels), filters_FM):
            return {**known._asdict(), "mels": mels}
    return {"window": window, "mels": mels}


def _bank(known: FrontEnd, mels: int) -> Tensor:
    return LogMel(known.sample_rate, known.window, known.hop, mels, known.fmin, known.fmax).filters_FM


def _same(a_FM: Tensor, b_FM: Tensor) -> bool:
    return a_FM.shape == b_FM.shape and torch.allclose(a_FM.cpu(), b_FM.cpu().float(), rtol=1e-3, atol=1e-6)
