"""Audio tower Cnn14 of PANNs."""

from typing import Literal, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.audio.encoder import AudioEncoder
from models.audio.spectrogram import LogMel, SpecAugment, fill

AUDIOSET_CLASSES = 527
CHANNELS = (64, 128, 256, 512, 1024, 2048)

L = TypeVar("L", nn.Linear, nn.Conv2d)


class Cnn14(AudioEncoder):
    """Six blocks of two convolutions over a log-mel spectrogram; the embedding is the output of the first linear layer.

    With the defaults this is PANNs' Cnn14_16k. A smaller ``width_multiplier`` and a ``stem_stride`` of 2 make a network
    of the same shape that trains on a CPU; released weights need both at 1.

    Args:
        sample_rate: Sampling rate of the waveforms in Hz.
        window: Length of a spectrogram frame in samples.
        hop: Samples between frames.
        mels: Mel bands.
        fmin: Lower edge of the lowest band in Hz.
        fmax: Upper edge of the highest band in Hz.
        width_multiplier: Factor on the channels of every layer (64 to 2048 at 1).
        stem_stride: Stride of the first convolution along time and frequency.
        spec_augment: Blank stripes of time and frequency in training.
        time_stripes: Number of stripes along time.
        time_width: Frames; each stripe is narrower than this.
        freq_stripes: Number of stripes along frequency.
        freq_width: Mel bands; each stripe is narrower than this.
        dropout: Dropout after every block.
        head_dropout: Dropout before and after the linear layer.
        mask_padding: Leave frames beyond a clip's true length out of the pooling over time. Off, as in PANNs, padding
            counts, so that a clip's embedding depends on the length it is padded to.
        audioset_head: Add the classifier of AudioSet's 527 tags, for ``tags``. Not part of the embedding.
        padding: Input after the end of a clip that is shorter than the batch: ``zero``, the silence that the data put
            there; ``repeat``, the clip repeated, as in msclap.

    Raises:
        ValueError: If the width multiplier leaves a layer without channels, the spectrogram has too few mel bands, or
            padding is to be masked where none is left.

    Reference: Kong et al., "PANNs: Large-Scale Pretrained Audio Neural Networks", TASLP 2020.
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        window: int = 512,
        hop: int = 160,
        mels: int = 64,
        fmin: float = 50.0,
        fmax: float = 8000.0,
        width_multiplier: float = 1.0,
        stem_stride: int = 1,
        spec_augment: bool = True,
        time_stripes: int = 2,
        time_width: int = 64,
        freq_stripes: int = 2,
        freq_width: int = 8,
        dropout: float = 0.2,
        head_dropout: float = 0.5,
        mask_padding: bool = False,
        audioset_head: bool = False,
        padding: Literal["zero", "repeat"] = "zero",
    ) -> None:
        super().__init__()
        channels = [int(width_multiplier * c) for c in CHANNELS]
        if channels[0] < 1:
            raise ValueError(
                f"width_multiplier {width_multiplier:g} leaves no channels; set it to {1 / CHANNELS[0]:g} or more"
            )
        if mels < 32 * stem_stride:
            raise ValueError(f"{mels} mel bands do not survive five halvings; set mels to {32 * stem_stride} or more")
        if mask_padding and padding == "repeat":
            raise ValueError("padding: repeat leaves no padding to mask; set mask_padding: false or padding: zero")
        self.sample_rate = sample_rate
        self.width = channels[-1]
        self.padding = padding
        self.stem_stride = stem_stride
        self.mask_padding = mask_padding
        self.logmel = LogMel(sample_rate, window, hop, mels, fmin, fmax)
        self.bn0 = nn.BatchNorm2d(mels)
        self.augment: nn.Module = nn.Identity()
        if spec_augment:
            self.augment = SpecAugment(time_stripes, time_width, freq_stripes, freq_width)
        strides = [stem_stride, 1, 1, 1, 1, 1]
        self.blocks = nn.ModuleList(map(_Block, [1, *channels[:-1]], channels, strides))
        # About 6 % faster in training on a CPU; the input follows in _hidden.
        nn.utils.convert_conv2d_weight_memory_format(self.blocks, torch.channels_last)
        self.block_dropout = nn.Dropout(dropout)
        self.head_dropout = nn.Dropout(head_dropout)
        self.fc1 = _xavier(nn.Linear(self.width, self.width))
        self.fc_audioset = _xavier(nn.Linear(self.width, AUDIOSET_CLASSES)) if audioset_head else None

    def forward(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        """Return the embeddings, [N, D]; never negative."""
        embedding_ND: Tensor = self.head_dropout(self._hidden(wave_NT, length_N))
        return embedding_ND

    def tags(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        """Return the probability of each AudioSet tag, [N, 527].

        Raises:
            RuntimeError: If the network was built without ``audioset_head``.
        """
        if self.fc_audioset is None:
            raise RuntimeError("this Cnn14 has no AudioSet classifier; set audioset_head: true")
        logits_NC: Tensor = self.fc_audioset(self._hidden(wave_NT, length_N))
        return logits_NC.sigmoid()

    def _hidden(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        if self.padding == "repeat":
            wave_NT = fill(wave_NT, length_N, wave_NT.shape[1], "repeat")
        mel_NMT = self.logmel(wave_NT).to(self.fc1.weight.dtype)
        shortest = 32 * self.stem_stride
        if mel_NMT.shape[-1] < shortest:
            raise ValueError(f"{mel_NMT.shape[-1]} frames do not survive five halvings; pad to {shortest} or more")
        mel_NTM = self.bn0(mel_NMT[..., None]).squeeze(-1).transpose(1, 2)
        x = self.augment(mel_NTM)[:, None].contiguous(memory_format=torch.channels_last)
        for block in self.blocks[:-1]:
            x = self.block_dropout(F.avg_pool2d(block(x), 2))
        x_NDT = self.block_dropout(self.blocks[-1](x)).mean(3)
        hidden_ND: Tensor = self.fc1(self.head_dropout(self._pool(x_NDT, length_N))).relu()
        return hidden_ND

    def _pool(self, x_NDT: Tensor, length_N: Tensor) -> Tensor:
        """Add maximum and mean over time."""
        steps = x_NDT.shape[-1]
        if not self.mask_padding:
            return x_NDT.amax(2) + x_NDT.mean(2)
        frames_N = length_N // self.logmel.hop + 1
        # The strided convolution rounds up, five poolings round down; the shortest clip keeps one step.
        steps_N = (-(-frames_N // self.stem_stride) // 32).clamp(1, steps)
        real_N1T = torch.arange(steps, device=x_NDT.device) < steps_N[:, None, None]
        mean_ND = x_NDT.where(real_N1T, 0.0).sum(2) / steps_N[:, None]
        return x_NDT.where(real_N1T, -torch.inf).amax(2) + mean_ND


class _Block(nn.Module):
    """Two 3x3 convolutions, each with batch normalisation and ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _xavier(nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False))
        self.conv2 = _xavier(nn.Conv2d(outputs, outputs, 3, padding=1, bias=False))
        self.bn1 = nn.BatchNorm2d(outputs)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)))


def _xavier(layer: L) -> L:
    nn.init.xavier_uniform_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
