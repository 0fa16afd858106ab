"""A recording decoded from beginning to end: its true length, and what is odd about it."""

import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import soundfile
from numpy.typing import NDArray

from datamodules.errors import DataError

MAX_SAMPLE = 10.0
"""Largest valid sample. Files of floats may pass 1, full scale, by a few dB and no more."""

TOLERANCE_SECONDS = 0.06
"""Headers and manifests round to whole samples, and lossy codecs add or drop part of a frame."""

_BLOCK = 1 << 18  # samples of all channels that are decoded at once
_FLAT = 1e-4  # between the lowest and the highest sample: 3 steps of 16 bits
_FULL_SCALE = 0.999
_CLIPPED = 0.2  # share of samples at full scale; loud speech has some hundredths there
_CANCELLED = 0.1  # of the power that channels without any relation would leave in their mean: 10 dB less

ODDITIES: dict[str, str] = {
    "silent": "nothing but digital silence",
    "constant": "a constant value, no sound",
    "clipped": f"at least {_CLIPPED:.0%} of its samples at full scale",
    "cancelled": "channels of opposite phase, of which mixing down to mono leaves next to nothing",
}
"""What a recording can be whose samples are valid all the same, as the manifest's column ``oddity`` has it."""


@dataclass
class _Statistics:
    """Statistics of the samples of a file, over its blocks."""

    frames: int = 0
    lowest: float = math.inf
    highest: float = -math.inf
    at_full_scale: int = 0
    power: float = 0.0
    mixed_power: float = 0.0
    finite: bool = True

    @property
    def peak(self) -> float:
        return max(-self.lowest, self.highest)

    def add(self, block: NDArray[np.float32]) -> None:
        """Add a block, [T, channels]."""
        lowest = float(block.min())
        highest = float(block.max())
        if not math.isfinite(lowest + highest):  # NaN spreads through both
            self.finite = False
            return
        self.frames += len(block)
        self.lowest = min(self.lowest, lowest)
        self.highest = max(self.highest, highest)
        block_peak = max(-lowest, highest)
        if block_peak > MAX_SAMPLE:  # refused, and its squares may overflow
            return
        if block_peak >= _FULL_SCALE:
            self.at_full_scale += int((np.abs(block) >= _FULL_SCALE).sum())
        if block.shape[1] > 1:
            samples = block.reshape(-1)
            mixed = block.mean(axis=1)
            self.power += float(np.dot(samples, samples))
            self.mixed_power += float(np.dot(mixed, mixed))

    def oddity(self, channels: int) -> str:
        """Name what is odd, one of ``ODDITIES`` or ""."""
        if self.highest - self.lowest <= _FLAT:
            return "silent" if self.peak <= _FLAT else "constant"
        if self.at_full_scale >= _CLIPPED * self.frames * channels:
            return "clipped"
        # Unrelated channels of power p / channels each have a mean of power p / channels ** 2.
        if channels > 1 and self.mixed_power < _CANCELLED * self.power / channels**2:
            return "cancelled"
        return ""


def decode_all(file: soundfile.SoundFile, path: str) -> tuple[int, str]:
    """Decode an open file to its end, a block at a time.

    Returns:
        How many frames there are, and the file's oddity, one of ``ODDITIES`` or "".

    Raises:
        DataError: If there are fewer frames than the header promises, or samples are NaN, infinite, or beyond
            ``MAX_SAMPLE``.
        soundfile.LibsndfileError: If it cannot be decoded.
    """
    statistics = _Statistics()
    frames = max(1, _BLOCK // file.channels)
    buffer = np.empty((frames, file.channels), np.float32)
    while len(block := file.read(frames, dtype="float32", always_2d=True, out=buffer)):
        statistics.add(block)
        if not statistics.finite:
            raise DataError(not_finite(path))
    if statistics.frames < max(1, file.frames - TOLERANCE_SECONDS * file.samplerate):
        raise DataError(
            f"{path}: truncated or damaged, {statistics.frames} of {file.frames} frames decode "
            f"({statistics.frames / file.frames:.0%}); copy the file again, or convert what plays to wav"
        )
    if statistics.peak > MAX_SAMPLE:
        raise DataError(too_loud(path, statistics.peak))
    return statistics.frames, statistics.oddity(file.channels)


def not_finite(path: str) -> str:
    """Compose the message about samples that are no numbers."""
    return f"{path}: holds samples that are NaN or infinite; write the file again, or remove its row"


def too_loud(path: str, peak: float) -> str:
    """Compose the message about samples on another scale."""
    remedy = "divide them by 32768" if peak > 1000 else "bring them to full scale"
    return f"{path}: samples reach {peak:.4g}, expected [-1, 1], and at most {MAX_SAMPLE:g}; {remedy}"


@contextmanager
def captured_stderr() -> Iterator[list[str]]:
    """Collect what C code writes to the standard error stream; the lines are in the list when the context ends.

    libmpg123 tells of damaged frames in this way alone. The stream belongs to the whole process: use it where no other
    thread writes there.
    """
    lines: list[str] = []
    with tempfile.TemporaryFile() as written:
        terminal = os.dup(2)
        os.dup2(written.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            written.seek(0)
            lines += written.read(100_000).decode(errors="replace").splitlines()
