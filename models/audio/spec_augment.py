"""Stripes of a spectrogram blanked out in training."""

import torch
from torch import Tensor, nn


class SpecAugment(nn.Module):
    """Sets random stripes of time and of frequency to zero; does nothing in evaluation.

    Separately for every clip, a stripe's width w is uniform on 0 to width - 1 and its start on 0 to length - w - 1,
    as in the paper, whose stripes never touch the last position. Zero is the mean of a spectrogram that has passed a
    batch normalisation.

    Args:
        time_stripes: Stripes along time in each clip.
        time_width: Frames; a stripe is narrower than this.
        freq_stripes: Stripes along frequency in each clip.
        freq_width: Mel bands; a stripe is narrower than this.

    Reference: Park et al., "SpecAugment", Interspeech 2019, without the warping, as in PANNs.
    """

    def __init__(self, time_stripes: int = 2, time_width: int = 64, freq_stripes: int = 2, freq_width: int = 8) -> None:
        super().__init__()
        self.time_stripes, self.time_width = time_stripes, time_width
        self.freq_stripes, self.freq_width = freq_stripes, freq_width

    def forward(self, mel_NTM: Tensor) -> Tensor:
        """Blank stripes of N spectrograms of T frames and M bands."""
        if not self.training:
            return mel_NTM
        clips, frames, bands = mel_NTM.shape
        blank_NT = _stripes(clips, frames, self.time_stripes, self.time_width, mel_NTM.device)
        blank_NM = _stripes(clips, bands, self.freq_stripes, self.freq_width, mel_NTM.device)
        return mel_NTM.masked_fill(blank_NT[:, :, None] | blank_NM[:, None, :], 0.0)


def _stripes(clips: int, length: int, stripes: int, width: int, device: torch.device) -> Tensor:
    """Return which of ``length`` positions lie in one of the stripes, for each clip."""
    shape = (clips, stripes, 1)
    wide = torch.rand(shape, device=device).mul(min(width, length)).floor()
    start = torch.rand(shape, device=device).mul(length - wide).floor()
    position = torch.arange(length, device=device)
    return ((position >= start) & (position < start + wide)).any(1)
