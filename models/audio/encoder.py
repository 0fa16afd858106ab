"""Interface of audio encoders."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class AudioEncoder(nn.Module, ABC):
    """Audio encoder: waveforms in, one vector per clip out.

    Attributes:
        sample_rate: Sampling rate of the waveforms in Hz.
        width: Size of the vector, D.
    """

    sample_rate: int
    width: int

    @abstractmethod
    def forward(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        """Encode N clips: [N, T] -> [N, D].

        Args:
            wave_NT: Mono waveforms, float32 in [-1, 1], padded at the end.
            length_N: Samples of each clip before padding, int64.
        """
