"""Shape the spectrum of a clip."""

from collections.abc import Callable

import numpy as np

from datamodules.corpora.demo.pitch import Signal

Shape = Callable[[Signal], Signal]
"""From frequencies in Hz to factors on the amplitude."""

_BLOCK = 2048


def filtered(x_T: Signal, shape: Shape, sample_rate: int) -> Signal:
    """Return the clip with its spectrum multiplied by a shape; no delay, same length."""
    # A multiple of a power of two: clips of a prime length would take ten times longer.
    size = (x_T.size // _BLOCK + 1) * _BLOCK
    hertz: Signal = np.fft.rfftfreq(size, 1.0 / sample_rate).astype(np.float64)
    y_T: Signal = np.fft.irfft(np.fft.rfft(x_T, size) * shape(hertz), size)[: x_T.size]
    return y_T
