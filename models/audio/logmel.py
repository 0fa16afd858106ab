"""Log-mel spectrogram, computed on the model's device."""

from collections.abc import Callable
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torchaudio.transforms import MelSpectrogram


class LogMel(nn.Module):
    """Power spectrogram through a mel filter bank, in decibels.

    Hann window (periodic), centred frames with reflected edges, reference 1, floor 1e-10, no ceiling: librosa's
    numbers, which PANNs, LAION-CLAP and msclap were trained on. It computes in float32 whatever the precision of the
    model around it, and adds nothing to a state dict: its tensors follow from the arguments.

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
        self.sample_rate, self.window, self.hop = sample_rate, window, hop
        self.mels, self.fmin, self.fmax = mels, fmin, fmax
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
        """The filter bank: F = window / 2 + 1 frequencies by M bands."""
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
        # A model in half precision still hears in float32: follow to the device, keep the type.
        super()._apply(lambda tensor: tensor.to(fn(tensor).device), recurse)  # type: ignore[no-untyped-call]
        return self
