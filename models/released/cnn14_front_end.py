"""Whether a Cnn14 hears what released weights were trained on."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.audio.cnn14 import Cnn14
from models.audio.logmel import LogMel
from models.errors import WeightsError
from models.released.load_state import Rule

FIXED = r"(spectrogram_extractor|logmel_extractor)\."
"""The tensors of the fixed spectrogram, which our encoder rebuilds from numbers."""


class Known(NamedTuple):
    """A front end that some Cnn14 was released or configured with."""

    sample_rate: int
    window: int
    hop: int
    fmin: float
    fmax: float


KNOWN = (
    Known(8000, 256, 80, 50, 4000),  # PANNs Cnn14_8k
    Known(16000, 512, 160, 50, 8000),  # PANNs Cnn14_16k
    Known(32000, 1024, 320, 50, 14000),  # PANNs Cnn14
    Known(44100, 1024, 320, 50, 14000),  # msclap 2022
    Known(48000, 1024, 480, 50, 14000),  # LAION PANN-14
    Known(48000, 1024, 480, 50, 18000),  # LAION PANN-14-fmax-18k
    Known(48000, 1024, 360, 50, 8000),  # LAION PANN-14-fmax-8k-20s
    Known(48000, 1536, 480, 50, 14000),  # LAION PANN-14-win-1536
)


def cnn14_rules(prefix: str) -> tuple[Rule, ...]:
    """Return how the names of PANNs become ours, for weights whose names begin with a pattern."""
    blocks = tuple((rf"{prefix}conv_block{i + 1}\.", f"audio.blocks.{i}.") for i in range(6))
    return (*blocks, (rf"{prefix}(bn0|fc1|fc_audioset)\.", r"audio.\1."))


def check_front_end(encoder: Tensor | nn.Module, state: Mapping[str, Tensor], prefix: str, file: str) -> None:
    """Compare the encoder with the spectrogram that a file of weights records under a prefix.

    Raises:
        WeightsError: If the encoder is no Cnn14, or hears something else; the message names the keys to set.
    """
    if not isinstance(encoder, Cnn14):
        raise WeightsError(f"{file} holds a Cnn14, the model's audio encoder is a {type(encoder).__name__}")
    if encoder.stem_stride != 1:
        raise WeightsError(f"{file} was trained with a first stride of 1; set stem_stride: 1 in the audio encoder")
    filters_FM = state.get(f"{prefix}logmel_extractor.melW")
    if filters_FM is None:
        raise WeightsError(f"{file} has no {prefix}logmel_extractor.melW; the spectrogram it needs is unknown")
    wanted, ours = _settings(filters_FM), _ours(encoder.logmel)
    differing = {key: value for key, value in wanted.items() if ours[key] != value}
    if differing:
        raise WeightsError(
            f"{file} was trained on another spectrogram than the audio encoder computes; set in its init_args: "
            + ", ".join(f"{key}: {value:g} (it has {ours[key]:g})" for key, value in differing.items())
        )
    if not _same(encoder.logmel.filters_FM, filters_FM):
        raise WeightsError(
            f"{file} was trained with other mel filters than the audio encoder's; set sample_rate, fmin and fmax to "
            "those of its training"
        )


def _settings(filters_FM: Tensor) -> dict[str, float]:
    """Read the settings off a filter bank: its shape, and the known front end that has its values."""
    window, mels = 2 * (len(filters_FM) - 1), filters_FM.shape[1]
    for known in KNOWN:
        if known.window == window and _same(_bank(known, mels), filters_FM):
            return {**known._asdict(), "mels": mels}
    return {"window": window, "mels": mels}


def _ours(logmel: LogMel) -> dict[str, float]:
    names = ("sample_rate", "window", "hop", "mels", "fmin", "fmax")
    return {name: getattr(logmel, name) for name in names}


def _bank(known: Known, mels: int) -> Tensor:
    return LogMel(known.sample_rate, known.window, known.hop, mels, known.fmin, known.fmax).filters_FM


def _same(a_FM: Tensor, b_FM: Tensor) -> bool:
    return a_FM.shape == b_FM.shape and torch.allclose(a_FM.cpu(), b_FM.cpu().float(), rtol=1e-3, atol=1e-6)
