"""Five seconds out of a long recording: seek and read them, against read everything and cut."""

import tempfile
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.timing import Row, compare
from datamodules.audio.reading import AudioFormat, AudioSegment, Wave, read_crop

RATE = 16000
# A decoder that starts inside an mp3 lacks the bits that earlier frames keep for it, so its first frames differ.
TOLERANCE = {"wav": 0.0, "flac": 0.0, "ogg": 1e-6, "mp3": 1e-3}


def run(minutes: float = 2.0, seconds: float = 5.0, rounds: int = 15) -> list[Row]:
    """Each format in turn; both ways give the same samples."""
    with tempfile.TemporaryDirectory() as folder:
        return [_compare(_written(Path(folder), ending, minutes), seconds, rounds) for ending in TOLERANCE]


def require_equal(ours: Wave, theirs: Wave, tolerance: float) -> None:
    """Same length, and no sample further apart than the tolerance."""
    assert len(ours) == len(theirs), f"{len(ours)} samples, expected {len(theirs)}"
    apart = float(np.abs(ours - theirs).max())
    assert apart <= tolerance, f"samples are up to {apart:g} apart, expected at most {tolerance:g}"


def _compare(path: Path, seconds: float, rounds: int) -> Row:
    recording, form = AudioSegment(str(path)), AudioFormat(RATE, seconds)

    def crop() -> Wave:
        return read_crop(recording, form, position=0.5)[0]

    def whole() -> Wave:
        wave, _ = soundfile.read(path, dtype="float32")
        first = round(0.5 * (len(wave) - form.samples))
        cut: Wave = wave[first : first + form.samples]
        return cut

    ending = path.suffix[1:]
    require_equal(crop(), whole(), TOLERANCE[ending])
    length = soundfile.info(path).duration
    return compare(f"{seconds:g} s out of {length:.0f} s, {ending}", "whole file, then cut", crop, whole, rounds)


def _written(folder: Path, ending: str, minutes: float) -> Path:
    """Noise with a speech-like fall of its spectrum: no two stretches are alike, so a wrong place cannot pass."""
    draw = np.random.default_rng(0)
    noise = draw.standard_normal(int(minutes * 60 * RATE))
    path = folder / f"noise.{ending}"
    soundfile.write(path, 0.1 * (noise[1:] + 0.9 * noise[:-1]), RATE)
    return path
