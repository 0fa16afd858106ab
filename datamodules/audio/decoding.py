"""A recording decoded from beginning to end: its true length, and what is odd about its sound."""

import math
from dataclasses import dataclass

import numpy as np
import soundfile
from numpy.typing import NDArray

from datamodules.errors import DataError

LOUDEST = 10.0
"""Largest sample that is taken for sound. Files of floats may pass 1, full scale, by a few dB and no more."""

TOLERANCE_SECONDS = 0.06
"""Headers and manifests round to whole samples, and lossy codecs add or drop part of a frame."""

_BLOCK = 1 << 18  # samples of all channels that are decoded at once
_FLAT = 1e-4  # between the lowest and the highest sample: 3 steps of 16 bits
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
class _Sums:
    """What is gathered over the blocks of a file."""

    frames: int = 0
    lowest: float = math.inf
    highest: float = -math.inf
    at_full_scale: int = 0
    power: float = 0.0
    mixed_power: float = 0.0
    unsound: bool = False

    def add(self, block: NDArray[np.float32]) -> None:
        lowest, highest = float(block.min()), float(block.max())
        if not math.isfinite(lowest + highest):  # NaN spreads through both
            self.unsound = True
            return
        self.frames += len(block)
        self.lowest, self.highest = min(self.lowest, lowest), max(self.highest, highest)
        if max(-lowest, highest) > LOUDEST:  # refused, and its squares may overflow
            return
        if max(-lowest, highest) >= 0.999:
            self.at_full_scale += int((np.abs(block) >= 0.999).sum())
        if block.shape[1] > 1:
            every, mixed = block.reshape(-1), block.mean(axis=1)
            self.power += float(np.dot(every, every))
            self.mixed_power += float(np.dot(mixed, mixed))


def hear(file: soundfile.SoundFile, path: str) -> tuple[int, str]:
    """Decode an open file to its end, a block at a time.

    Returns:
        How many frames there are, and the file's oddity, one of `ODDITIES` or "".

    Raises:
        DataError: Fewer frames than the header promises, or samples that are no sound: NaN, infinite, or beyond
            `LOUDEST`.
        soundfile.LibsndfileError: It cannot be decoded.
    """
    sums = _Sums()
    frames = max(1, _BLOCK // file.channels)
    block = np.empty((frames, file.channels), np.float32)
    while len(heard := file.read(frames, dtype="float32", always_2d=True, out=block)) and not sums.unsound:
        sums.add(heard)
    if sums.unsound:
        raise DataError(not_finite(path))
    if sums.frames < max(1, file.frames - TOLERANCE_SECONDS * file.samplerate):
        raise DataError(
            f"{path}: truncated or damaged, {sums.frames} of {file.frames} frames decode "
            f"({sums.frames / file.frames:.0%}); copy the file again, or convert what plays to wav"
        )
    if (peak := max(-sums.lowest, sums.highest)) > LOUDEST:
        raise DataError(too_loud(path, peak))
    return sums.frames, _oddity(sums, file.channels)


def not_finite(path: str) -> str:
    """The message about samples that are no numbers."""
    return f"{path}: holds samples that are NaN or infinite; write the file again, or remove its row"


def too_loud(path: str, peak: float) -> str:
    """The message about samples on another scale."""
    remedy = "divide them by 32768" if peak > 1000 else "bring them to full scale"
    return f"{path}: samples reach {peak:.4g}, expected [-1, 1], and at most {LOUDEST:g}; {remedy}"


def _oddity(sums: _Sums, channels: int) -> str:
    if sums.highest - sums.lowest <= _FLAT:
        return "silent" if max(-sums.lowest, sums.highest) <= _FLAT else "constant"
    if sums.at_full_scale >= _CLIPPED * sums.frames * channels:
        return "clipped"
    # Unrelated channels of power p / channels each have a mean of power p / channels ** 2.
    if channels > 1 and sums.mixed_power < _CANCELLED * sums.power / channels**2:
        return "cancelled"
    return ""
