"""Audio tower of Wav2CLIP: a ResNet-18 over a linear spectrogram."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchaudio.transforms import Spectrogram

from models.audio.encoder import AudioEncoder


class ResNet18(AudioEncoder):
    """Eight residual blocks over the logarithm of a power spectrogram; the mean over time and frequency.

    A clip is encoded at its true length, and its spectrogram scaled to mean 0 and deviation 1, so that neither padding
    nor the other clips of the batch have an effect. (Wav2CLIP's code has mean and deviation over the batch; for one
    clip at a time that is the same.) Clips of one length are encoded together, so a batch of many lengths is slow.

    The names of the tensors are torchvision's, as in VGGSound and Wav2CLIP.

    Args:
        sample_rate: Sampling rate of the waveforms in Hz.
        window: Length of a spectrogram frame in samples.
        hop: Samples between frames.
        channels: Channels of the first layer; the last has eight times as many.

    Reference: Wu et al., "Wav2CLIP: Learning robust audio representations from CLIP", ICASSP 2022; He et al., "Deep
    residual learning for image recognition", CVPR 2016.
    """

    def __init__(self, sample_rate: int = 16000, window: int = 512, hop: int = 353, channels: int = 64) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.width = 8 * channels
        self.spectrogram = Spectrogram(n_fft=window, hop_length=hop)
        self.spectrogram.register_buffer("window", self.spectrogram.window, persistent=False)
        self.conv1 = nn.Conv2d(1, channels, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.layer1 = _stage(channels, channels, 1)
        self.layer2 = _stage(channels, 2 * channels, 2)
        self.layer3 = _stage(2 * channels, 4 * channels, 2)
        self.layer4 = _stage(4 * channels, 8 * channels, 2)

    def forward(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        """Return the embeddings, [N, D]; never negative."""
        # A clip shorter than a window is padded to one: the edges of the spectrogram are reflections.
        length_N = length_N.clamp(min=self.spectrogram.n_fft)
        wave_NT = F.pad(wave_NT, (0, max(0, self.spectrogram.n_fft - wave_NT.shape[-1])))
        embedding_ND = self.conv1.weight.new_zeros(len(wave_NT), self.width)
        for length in torch.unique(length_N).tolist():
            same_N = length_N == length
            # Under autocast the output is in half precision, whatever the weights are.
            embedding_ND[same_N] = self._embed(wave_NT[same_N, :length]).to(embedding_ND.dtype)
        return embedding_ND

    def _embed(self, wave_NT: Tensor) -> Tensor:
        with torch.autocast(wave_NT.device.type, enabled=False):
            log_NFT = (self.spectrogram(wave_NT.float()) + 1e-7).log()
        deviation_N11, mean_N11 = torch.std_mean(log_NFT, (1, 2), keepdim=True)
        x = ((log_NFT - mean_N11) / (deviation_N11 + 1e-9)).to(self.conv1.weight.dtype)[:, None]
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, padding=1)
        x_NDFT: Tensor = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x_NDFT.mean((2, 3))


def _stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(_Block(inputs, outputs, stride), _Block(outputs, outputs, 1))


class _Block(nn.Module):
    """Two 3x3 convolutions with a residual connection."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            convolution = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(convolution, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        residual = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)) + residual)
