"""Front end of spectrogram encoders: length of clips, log-mel spectrogram, SpecAugment."""

from collections.abc import Callable
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torchaudio.transforms import MelSpectrogram

Padding = Literal["zero", "repeatpad", "repeat"]


def fill(wave_NT: Tensor, length_N: Tensor, samples: int, padding: Padding) -> Tensor:
    """Cut or fill every clip to one length: [N, T] -> [N, samples].

    Args:
        wave_NT: Waveforms, padded at the end with any values.
        length_N: Samples of each clip before padding.
        samples: Length of the result; longer clips lose their end.
        padding: Filling of shorter clips: ``zero``, silence; ``repeatpad``, the clip as often as it fits, and then
            silence; ``repeat``, the clip repeated, and cut at the end.
    """
    length_N1 = length_N.clamp(1, samples)[:, None]
    position_T = torch.arange(samples, device=wave_NT.device)
    filled_NT = wave_NT.gather(1, position_T % length_N1)
    if padding == "repeat":
        return filled_NT
    repeats = samples // length_N1 if padding == "repeatpad" else 1
    return filled_NT.where(position_T < length_N1 * repeats, 0.0)


class LogMel(nn.Module):
    """Power spectrogram through a mel filter bank, in decibels.

    Hann window (periodic), centred frames with reflected edges, reference 1, floor 1e-10, no ceiling: librosa's
    numbers, which PANNs, LAION-CLAP and msclap were trained on. It computes in float32 whatever the precision of
    the model, and adds nothing to a state dict: its tensors follow from the arguments.

    Args:
        sample_rate: Of the waveform, in Hz.
        window: Length of a frame and of the Fourier transform, in samples.
        hop: Samples from one frame to the next.
        mels: Number of mel bands, M.
        fmin: Lower edge of the lowest band, in Hz.
        fmax: Upper edge of the highest band, in Hz; at most half the sampling rate.
        scale: ``slaney`` with bands of equal area (librosa), or ``htk`` with bands of equal height (torchaudio).

    Raises:
        ValueError: If the bands do not fit below half the sampling rate.
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        window: int = 512,
        hop: int = 160,
        mels: int = 64,
        fmin: float = 50.0,
        fmax: float = 8000.0,
        scale: Literal["slaney", "htk"] = "slaney",
    ) -> None:
        super().__init__()
        if not 0 <= fmin < fmax <= sample_rate / 2:
            raise ValueError(
                f"mel bands from {fmin:g} to {fmax:g} Hz do not fit under {sample_rate / 2:g} Hz, half the sample_rate;"
                " set fmin, fmax or sample_rate"
            )
        self.sample_rate = sample_rate
        self.window = window
        self.hop = hop
        self.mels = mels
        self.fmin = fmin
        self.fmax = fmax
        self.mel = MelSpectrogram(
            sample_rate,
            n_fft=window,
            hop_length=hop,
            f_min=fmin,
            f_max=fmax,
            n_mels=mels,
            power=2.0,
            mel_scale=scale,
            norm="slaney" if scale == "slaney" else None,
        )
        self.mel.spectrogram.register_buffer("window", self.mel.spectrogram.window, persistent=False)
        self.mel.mel_scale.register_buffer("fb", self.mel.mel_scale.fb, persistent=False)

    @property
    def filters_FM(self) -> Tensor:
        """Filter bank, [F, M]: F = window / 2 + 1 frequencies by M bands."""
        filters: Tensor = self.mel.mel_scale.fb
        return filters

    def forward(self, wave_NT: Tensor) -> Tensor:
        """Return decibels [N, M, T // hop + 1], float32.

        Raises:
            ValueError: If the waveforms are too short to reflect at their edges.
        """
        if wave_NT.shape[-1] <= self.window // 2:
            raise ValueError(
                f"a waveform of {wave_NT.shape[-1]} samples is no longer than half a window ({self.window}); pad it"
            )
        with torch.autocast(wave_NT.device.type, enabled=False):
            power_NMT: Tensor = self.mel(wave_NT.float())
            return 10 * power_NMT.clamp(min=1e-10).log10()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # Follow the model to its device, but stay in float32 when it becomes half precision.
        super()._apply(lambda tensor: tensor.to(fn(tensor).device), recurse)  # type: ignore[no-untyped-call]
        return self


class SpecAugment(nn.Module):
    """Random stripes of time and of frequency set to zero in training; none in evaluation.

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
        self.time_stripes = time_stripes
        self.time_width = time_width
        self.freq_stripes = freq_stripes
        self.freq_width = freq_width

    def forward(self, mel_NTM: Tensor) -> Tensor:
        """Blank stripes of N spectrograms of T frames and M bands."""
        if not self.training:
            return mel_NTM
        clips, frames, bands = mel_NTM.shape
        blank_NT = _stripes(clips, frames, self.time_stripes, self.time_width, mel_NTM.device)
        blank_NM = _stripes(clips, bands, self.freq_stripes, self.freq_width, mel_NTM.device)
        return mel_NTM.masked_fill(blank_NT[:, :, None] | blank_NM[:, None, :], 0.0)


def _stripes(clips: int, length: int, stripes: int, width: int, device: torch.device) -> Tensor:
    """Return which of ``length`` positions are in one of the stripes, for each clip: bool [N, length]."""
    shape = (clips, stripes, 1)
    drawn_width = torch.rand(shape, device=device).mul(min(width, length)).floor()
    start = torch.rand(shape, device=device).mul(length - drawn_width).floor()
    position = torch.arange(length, device=device)
    return ((position >= start) & (position < start + drawn_width)).any(1)
