"""What every audio encoder is to the rest of the program."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class AudioEncoder(nn.Module, ABC):
    """Turns waveforms into one vector per clip.

    Attributes:
        sample_rate: Rate in Hz at which the encoder hears; waveforms must have it.
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
