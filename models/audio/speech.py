"""Speech encoders of transformers on the waveform: wav2vec 2.0, WavLM, HuBERT."""

import warnings
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from models.audio.encoder import AudioEncoder
from models.audio.pooling import PoolingName, make_pooling
from models.errors import WeightsError
from models.pretrained import from_pretrained

KINDS = ("wav2vec2", "wavlm", "hubert")
Normalize = Literal["none", "clip", "scalar"]


class SpeechTower(nn.Module):
    """wav2vec 2.0, WavLM or HuBERT with true lengths of clips and the level of its training data.

    In training no layer is dropped at random, whatever the model's configuration says (``layerdrop``), so that all
    parameters take part in every step, as training on several devices requires.

    Clips shorter than the model's first frame (25 ms) are padded with silence.

    Args:
        model: ``Wav2Vec2Model``, ``WavLMModel`` or ``HubertModel``.
        normalize: ``none`` for the waveform as it is; ``clip`` for zero mean and unit variance over each clip's true
            samples; ``scalar`` for the mean and standard deviation of a training set.
        mean: Mean of the training set's samples, for ``scalar``.
        std: Their standard deviation, for ``scalar``.
        layer: Transformer layer whose output is used, counted from 1, before any final normalization; later layers
            are dropped. By default the model's last hidden state.

    Raises:
        ValueError: If the model has no such layer, or mean and std do not go with ``normalize``.

    Attributes:
        width: Size of a frame, D.
    """

    def __init__(
        self,
        model: Any,
        normalize: Normalize = "none",
        mean: float | None = None,
        std: float | None = None,
        layer: int | None = None,
    ) -> None:
        super().__init__()
        if (normalize == "scalar") != (mean is not None and std is not None and std > 0):
            raise ValueError("normalize: scalar takes mean and std (above 0) of a training set; no other choice does")
        self.model = model
        self.normalize = normalize
        self.mean = mean or 0.0
        self.std = std or 1.0
        self.layer = layer
        self.width = int(model.config.hidden_size)
        self.first_frame = _samples(model.config, 1)
        # SpecAugment refuses a batch that is shorter than its masks are wide.
        self.shortest = _samples(model.config, max(1, model.config.mask_time_length))
        # A normalization over time would mix padding into a clip.
        self.one_by_one = model.config.feat_extract_norm == "group"
        if layer is not None:
            _drop_layers(model, layer)
        _use_every_parameter(model)

    def forward(self, wave_NT: Tensor, length_N: Tensor) -> tuple[Tensor, Tensor]:
        """Return the hidden states, [N, L, D], and the mask of frames that are not padding, bool [N, L].

        Args:
            wave_NT: Mono waveforms at 16 kHz in [-1, 1], padded at the end with any values.
            length_N: Samples of each clip before padding.
        """
        wave_NT = self._level(wave_NT, length_N)
        wave_NT = F.pad(wave_NT, (0, max(0, self.shortest - wave_NT.shape[1]))).to(self.model.dtype)
        length_N = length_N.clamp(self.first_frame, wave_NT.shape[1])
        if self.one_by_one:
            hidden = [
                self._hidden(wave_NT[i : i + 1, : max(self.shortest, samples)], length_N[i : i + 1])[0]
                for i, samples in enumerate(length_N.tolist())
            ]
            hidden_NLD = pad_sequence(hidden, batch_first=True)
        else:
            hidden_NLD = self._hidden(wave_NT, length_N)
        frames_N = self.model._get_feat_extract_output_lengths(length_N)
        return hidden_NLD, _before(frames_N, hidden_NLD.shape[1])

    def _level(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        """Scale the true samples to the level of the training data, and set padding to zero."""
        real_NT = _before(length_N, wave_NT.shape[1])
        wave_NT = wave_NT.float().where(real_NT, 0.0)
        if self.normalize == "none":
            return wave_NT
        if self.normalize == "scalar":
            return ((wave_NT - self.mean) / (self.std + 1e-6)).where(real_NT, 0.0)
        samples_N1 = length_N[:, None].clamp(min=1)
        wave_NT = (wave_NT - wave_NT.sum(1, keepdim=True) / samples_N1).where(real_NT, 0.0)
        variance_N1 = wave_NT.square().sum(1, keepdim=True) / samples_N1
        return wave_NT / (variance_N1 + 1e-7).sqrt()

    def _hidden(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        real_NT = _before(length_N, wave_NT.shape[1]).long()
        with warnings.catch_warnings():
            # From WavLM's own code; a user can change nothing about it.
            warnings.filterwarnings("ignore", message="Support for mismatched")
            output = self.model(wave_NT, attention_mask=real_NT)
        return cast(Tensor, output.last_hidden_state)


class SpeechEncoder(AudioEncoder):
    """wav2vec 2.0, WavLM or HuBERT, pooled over each clip's true frames.

    Args:
        source: Name on the Hugging Face hub, or folder written by ``save_pretrained``. Heads on top of the model are
            not loaded; for those of two released models see models.released.
        revision: Commit of a hub name.
        pooling: ``mean`` over frames, ``first`` frame, ``attentive`` for attentive mean and standard deviation (twice
            the width), ``attentive_mean`` for the first of the two. The attention starts at random.
        normalize: ``none``, ``clip`` or ``scalar``; see SpeechTower.
        mean: Mean of the training set's samples, for ``scalar``.
        std: Their standard deviation, for ``scalar``.
        layer: Transformer layer whose output is used, counted from 1; the last hidden state by default.

    Raises:
        ValueError: If the model has no such layer, or mean and std do not go with ``normalize``.
        WeightsError: If ``source`` cannot be found, is another kind of model, or lacks tensors.

    Reference: Baevski et al., "wav2vec 2.0", NeurIPS 2020; Hsu et al., "HuBERT", TASLP 2021; Chen et al., "WavLM",
    JSTSP 2022.
    """

    sample_rate = 16000

    def __init__(
        self,
        source: str,
        revision: str | None = None,
        pooling: PoolingName = "mean",
        normalize: Normalize = "none",
        mean: float | None = None,
        std: float | None = None,
        layer: int | None = None,
    ) -> None:
        super().__init__()
        self.source = source
        self.revision = revision
        self.tower = SpeechTower(_pretrained(source, revision), normalize, mean, std, layer)
        self.pooling = make_pooling(pooling, self.tower.width)
        self.width = self.pooling.width

    def forward(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        """Return the pooled hidden states, [N, D]."""
        pooled_ND: Tensor = self.pooling(*self.tower(wave_NT, length_N))
        return pooled_ND


def _pretrained(source: str, revision: str | None) -> Any:
    from transformers import AutoModel

    # Some releases lack the vector that only SpecAugment uses.
    model = from_pretrained(AutoModel, source, revision, optional=("masked_spec_embed",))
    if model.config.model_type not in KINDS:
        raise WeightsError(
            f"{source} is a {model.config.model_type} model, expected one of {', '.join(KINDS)}; for Whisper set "
            "class_path to models.audio.WhisperSpeechEncoder"
        )
    return model


def _drop_layers(model: Any, layer: int) -> None:
    layers = model.encoder.layers
    if not 1 <= layer <= len(layers):
        raise ValueError(f"layer is {layer}, and the model has {len(layers)}; set it from 1 to {len(layers)}")
    model.encoder.layers = layers[:layer]
    if model.config.do_stable_layer_norm:
        model.encoder.layer_norm = nn.Identity()


def _use_every_parameter(model: Any) -> None:
    """Freeze parameters that a step may skip: other processes would wait for their gradient."""
    config = model.config
    config.layerdrop = 0.0
    blank = getattr(model, "masked_spec_embed", None)
    if blank is not None and not (config.apply_spec_augment and config.mask_time_prob > 0):
        blank.requires_grad_(False)


def _samples(config: Any, frames: int) -> int:
    """Return the number of samples that the convolutions need for a number of frames."""
    for kernel, stride in reversed(list(zip(config.conv_kernel, config.conv_stride, strict=True))):
        frames = (frames - 1) * stride + kernel
    return frames


def _before(length_N: Tensor, size: int) -> Tensor:
    """Return which of ``size`` positions are within each length, bool [N, size]."""
    return torch.arange(size, device=length_N.device) < length_N[:, None]
