"""A clip at 24,414 Hz, as TESS has them, read at 16 kHz: soxr, against torchaudio's windowed sinc."""

import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch
import torchaudio.functional

from benchmarks.timing import Row, compare
from datamodules.audio.reading import AudioFormat, AudioSegment, Wave, read_crop

SOURCE, TARGET = 24414, 16000
# Up to here both filters pass everything; above it the transition bands differ by design.
PASSBAND = 6500.0
TOLERANCE = 0.02


def run(seconds: float = 5.0, rounds: int = 6) -> list[Row]:
    """Reading and resampling one clip; the spectra of both results agree in the passband."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.wav"
        soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(round(seconds * SOURCE)), SOURCE)
        recording, form = AudioSegment(str(path)), AudioFormat(TARGET, seconds)

        def soxr_way() -> Wave:
            return read_crop(recording, form)[0]

        def torchaudio_way() -> Wave:
            wave, _ = soundfile.read(path, dtype="float32")
            made: Wave = torchaudio.functional.resample(torch.from_numpy(wave), SOURCE, TARGET).numpy()
            return made[: form.samples]

        require_equal_spectra(soxr_way(), torchaudio_way())
        name = f"{seconds:g} s at {SOURCE} Hz read at {TARGET} Hz: soxr"
        return [compare(name, "torchaudio.functional.resample", soxr_way, torchaudio_way, rounds)]


def require_equal_spectra(ours: Wave, theirs: Wave) -> None:
    """The difference has at most 2 % of the amplitude of the sound in the passband, phases included."""
    length = min(len(ours), len(theirs))
    passed = np.fft.rfftfreq(length, 1 / TARGET) < PASSBAND
    window = np.hanning(length)
    left, right = (np.fft.rfft(window * wave[:length])[passed] for wave in (ours, theirs))
    apart = float(np.linalg.norm(left - right) / np.linalg.norm(right))
    assert apart <= TOLERANCE, f"spectra below {PASSBAND:g} Hz are {apart:.2%} apart, expected {TOLERANCE:.0%}"
