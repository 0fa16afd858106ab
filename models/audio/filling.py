"""How a clip fills the length that a network was trained on."""

from typing import Literal

import torch
from torch import Tensor

Padding = Literal["zero", "repeatpad", "repeat"]


def fill(wave_NT: Tensor, length_N: Tensor, samples: int, padding: Padding) -> Tensor:
    """Cut or fill every clip to one length: [N, T] -> [N, samples].

    Args:
        wave_NT: Waveforms, padded at the end with anything.
        length_N: Samples of each clip before padding.
        samples: Of the result; longer clips lose their end.
        padding: What follows a shorter clip: ``zero``, silence; ``repeatpad``, the whole clip as often as it fits, and
            then silence; ``repeat``, the clip again and again, cut at the end.
    """
    length_N1 = length_N.clamp(1, samples)[:, None]
    position_T = torch.arange(samples, device=wave_NT.device)
    filled_NT = wave_NT.gather(1, position_T % length_N1)
    if padding == "repeat":
        return filled_NT
    repeats = samples // length_N1 if padding == "repeatpad" else 1
    return filled_NT.where(position_T < length_N1 * repeats, 0.0)
