"""Audio tower HTSAT of the released LAION-CLAP models."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from models.audio.encoder import AudioEncoder
from models.audio.spectrogram import LogMel, Padding, fill
from models.pretrained import from_pretrained, loading

LAION_PADDING: Padding = "repeatpad"


@dataclass(frozen=True)
class HtsatInput:
    """The spectrogram that an HTSAT was trained on; the defaults are LAION's.

    Args:
        sample_rate: In Hz.
        window: Length of a frame in samples.
        hop: Samples between frames.
        mels: Mel bands.
        fmin: Lower edge of the lowest band in Hz.
        fmax: Upper edge of the highest band in Hz.
        seconds: Length to which every clip is cut or padded.
        scale: Mel scale: ``slaney``, or ``htk`` for models trained with feature fusion.
        filter_rate: Sampling rate of the mel filters in Hz, if it is not ``sample_rate``: msclap 2023 applies filters
            of 32 kHz to 44.1 kHz.
    """

    sample_rate: int = 48000
    window: int = 1024
    hop: int = 480
    mels: int = 64
    fmin: float = 50.0
    fmax: float = 14000.0
    seconds: float = 10.0
    scale: Literal["slaney", "htk"] = "slaney"
    filter_rate: int | None = None


class Htsat(AudioEncoder):
    """Swin transformer over a log-mel spectrogram of ten seconds, as in transformers' ``ClapAudioModel``.

    The spectrogram is computed here, on the model's device, as the checkpoint's ``preprocessor_config.json`` says.
    Clips are always filled to full length first: the network itself would stretch a shorter spectrogram in time.
    Longer clips lose their end; crop before to use another part.

    Args:
        source: Folder written by ``save_pretrained``, of a whole ClapModel or of its ClapAudioModel, or a name on the
            Hugging Face hub such as ``laion/clap-htsat-unfused``.
        revision: Commit of a hub name.
        config: Fields of ``ClapAudioConfig``, for random weights in place of ``source``.
        spectrogram: Input of the network; by default that of ``source``, or else LAION's.
        padding: Filling of shorter clips: ``zero``, silence; ``repeatpad``, the clip as often as it fits, and then
            silence; ``repeat``, the clip repeated, and cut at the end. By default that of ``source``, or else LAION's
            ``repeatpad``.

    Raises:
        ValueError: Unless exactly one of ``source`` and ``config`` is given.
        WeightsError: If ``source`` cannot be found, or lacks tensors of the tower.

    Reference: Chen et al., "HTS-AT", ICASSP 2022; Wu et al., "Large-scale contrastive language-audio pretraining",
    ICASSP 2023.
    """

    def __init__(
        self,
        source: str | None = None,
        revision: str | None = None,
        config: dict[str, Any] | None = None,
        spectrogram: HtsatInput | None = None,
        padding: Padding | None = None,
    ) -> None:
        super().__init__()
        if (source is None) == (config is None):
            raise ValueError("Htsat takes either source (released weights) or config (random weights)")
        self.model = _random(config or {}) if source is None else _pretrained(source, revision)
        if self.model.config.enable_fusion:
            # Layers that fuse several views of longer clips, which are cut here: they never have a gradient, for which
            # other processes would wait.
            embedding = self.model.audio_encoder.patch_embed
            embedding.fusion_model.requires_grad_(False)
            embedding.mel_conv2d.requires_grad_(False)
        if spectrogram is None:
            spectrogram = HtsatInput() if source is None else read_input(source, revision)
        if padding is None:
            padding = LAION_PADDING if source is None else read_padding(source, revision)
        self.spectrogram = spectrogram
        self.padding = padding
        self.sample_rate = spectrogram.sample_rate
        self.width = int(self.model.config.hidden_size)
        self.samples = int(spectrogram.seconds * spectrogram.sample_rate)
        self.logmel = LogMel(
            spectrogram.filter_rate or spectrogram.sample_rate,
            spectrogram.window,
            spectrogram.hop,
            spectrogram.mels,
            spectrogram.fmin,
            spectrogram.fmax,
            spectrogram.scale,
        )

    def forward(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        """Return the pooled output of the tower, [N, D], before any projection."""
        mel_NTM = self.logmel(fill(wave_NT, length_N, self.samples, self.padding)).transpose(1, 2)
        # A fusion model expects a whole view and three crops; for a clip that is not longer, four times the same.
        views = 4 if self.model.config.enable_fusion else 1
        features = mel_NTM[:, None].expand(-1, views, -1, -1).to(self.model.dtype)
        longer = torch.zeros(len(wave_NT), 1, dtype=torch.bool, device=wave_NT.device)
        pooled_ND: Tensor = self.model(input_features=features, is_longer=longer).pooler_output
        return pooled_ND


def read_input(source: str, revision: str | None = None) -> HtsatInput:
    """Read the spectrogram of a released CLAP from its ``preprocessor_config.json``.

    A folder without that file is taken to hold a model of LAION's kind.

    Raises:
        WeightsError: If the file cannot be read.
    """
    found = _extractor(source, revision)
    if found is None:
        return HtsatInput()
    return HtsatInput(
        found.sampling_rate,
        found.fft_window_size,
        found.hop_length,
        found.feature_size,
        found.frequency_min,
        found.frequency_max,
        found.max_length_s,
        "htk" if found.truncation == "fusion" else "slaney",
    )


def read_padding(source: str, revision: str | None = None) -> Padding:
    """Read from the same file how a released CLAP fills short clips; ``repeatpad``, as LAION, without that file.

    Raises:
        WeightsError: If the file cannot be read.
    """
    found = _extractor(source, revision)
    named: dict[str, Padding] = {"repeatpad": "repeatpad", "repeat": "repeat"}
    # transformers pads with silence in every other case.
    return LAION_PADDING if found is None else named.get(found.padding, "zero")


def _extractor(source: str, revision: str | None) -> Any:
    """Load the feature extractor that was released with the weights; None for a folder without one."""
    from transformers import ClapFeatureExtractor

    if Path(source).is_dir() and not (Path(source) / "preprocessor_config.json").exists():
        return None
    with loading(source, "preprocessor_config.json"):
        return ClapFeatureExtractor.from_pretrained(source, revision=revision or "main")


def _random(config: dict[str, Any]) -> Any:
    from transformers import ClapAudioConfig, ClapAudioModel

    return ClapAudioModel(ClapAudioConfig(**config))


def _pretrained(source: str, revision: str | None) -> Any:
    from transformers import ClapAudioModel

    # A whole ClapModel keeps this tower under "audio_model."; the text tower beside it is left on disk.
    return from_pretrained(ClapAudioModel, source, revision, key_mapping={r"^audio_model\.": ""})
