"""Audio tower of Whisper: its encoder."""

import torch
import torch.nn.functional as F
from torch import Tensor

from models.audio.encoder import AudioEncoder
from models.audio.pooling import PoolingName, make_pooling
from models.audio.spectrogram import LogMel
from models.pretrained import from_pretrained

RATE = 16000
WINDOW = 400
HOP = 160
FRAMES = 2
"""Spectrogram frames per frame of the encoder: its second convolution has a stride of two."""


class WhisperSpeechEncoder(AudioEncoder):
    """Whisper's encoder, pooled over each clip's true frames.

    The spectrogram is computed here, on the waveform's device. The network's input is exactly 30 s: clips are padded
    with silence, whose frames are left out of the pooling. Longer clips lose their end; crop before to use another
    part.

    Args:
        source: Name on the Hugging Face hub, such as ``openai/whisper-small``, or folder written by
            ``save_pretrained``. The decoder is not loaded.
        revision: Commit of a hub name.
        pooling: ``mean`` over frames, ``first`` frame, ``attentive`` for attentive mean and standard deviation (twice
            the width), ``attentive_mean`` for the first of the two. The attention starts at random.

    Raises:
        WeightsError: If ``source`` cannot be found, or lacks tensors of the encoder.

    Reference: Radford et al., "Robust speech recognition via large-scale weak supervision", ICML 2023.
    """

    sample_rate = RATE

    def __init__(self, source: str, revision: str | None = None, pooling: PoolingName = "mean") -> None:
        super().__init__()
        from transformers.models.whisper.modeling_whisper import WhisperEncoder

        self.source = source
        self.revision = revision
        self.model = from_pretrained(WhisperEncoder, source, revision, key_mapping={r"^(model\.)?encoder\.": ""})
        # Sinusoids by construction, which loading makes trainable.
        self.model.embed_positions.requires_grad_(False)
        # A layer that one process drops has no gradient there, and the others would wait for it.
        self.model.layerdrop = 0.0
        config = self.model.config
        self.pooling = make_pooling(pooling, int(config.d_model))
        self.width = self.pooling.width
        self.samples = FRAMES * HOP * int(config.max_source_positions)
        self.logmel = LogMel(RATE, WINDOW, HOP, int(config.num_mel_bins), 0, RATE / 2)

    def forward(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        """Return the pooled output of the encoder, [N, D]."""
        features_NMT = self.features(wave_NT, length_N).to(self.model.dtype)
        hidden_NLD: Tensor = self.model(features_NMT).last_hidden_state
        frames = hidden_NLD.shape[1]
        frames_N = (-(-length_N // (FRAMES * HOP))).clamp(1, frames)
        pooled_ND: Tensor = self.pooling(hidden_NLD, torch.arange(frames, device=wave_NT.device) < frames_N[:, None])
        return pooled_ND

    def features(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        """Return the log-mel spectrogram with the encoder's number of frames, [N, M, 3000].

        The logarithm's range is cut to 80 dB below each clip's loudest band, and centered around 0.
        """
        real_NT = torch.arange(wave_NT.shape[1], device=wave_NT.device) < length_N[:, None]
        # Negative padding cuts.
        wave_NT = F.pad(wave_NT.where(real_NT, 0.0), (0, self.samples - wave_NT.shape[1]))
        bels_NMT = self.logmel(wave_NT)[..., :-1] / 10
        loudest_N11 = bels_NMT.amax((1, 2), keepdim=True)
        features_NMT: Tensor = (bels_NMT.maximum(loudest_N11 - 8) + 4) / 4
        return features_NMT
