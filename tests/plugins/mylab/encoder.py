"""An audio encoder: statistics of a log-mel spectrogram, and a network on them."""

import torch
from torch import Tensor, nn
from torchaudio.transforms import MelSpectrogram

from models.audio.encoder import AudioEncoder

HOP = 160


class LogMelStatistics(AudioEncoder):
    """Mean and standard deviation over time of a log-mel spectrogram, and two linear layers.

    Args:
        width: Size of the vector that a clip becomes, D.
        mels: Number of mel bands, M.
    """

    sample_rate = 16000

    def __init__(self, width: int = 64, mels: int = 40) -> None:
        super().__init__()
        self.width = width
        self.mel = MelSpectrogram(self.sample_rate, n_fft=512, hop_length=HOP, n_mels=mels)
        self.network = nn.Sequential(nn.Linear(2 * mels, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        """Return the vectors, [N, D]; what a clip is padded with does not count."""
        mel_NMF = (self.mel(wave_NT) + 1e-6).log()
        frame_F = torch.arange(mel_NMF.shape[2], device=mel_NMF.device)
        heard_N1F = (frame_F <= length_N[:, None, None] // HOP).to(mel_NMF.dtype)
        frames_N1 = heard_N1F.sum(2)
        mean_NM = (mel_NMF * heard_N1F).sum(2) / frames_N1
        variance_NM = ((mel_NMF - mean_NM[:, :, None]).square() * heard_N1F).sum(2) / frames_N1
        return self.network(torch.cat([mean_NM, (variance_NM + 1e-6).sqrt()], dim=1))
