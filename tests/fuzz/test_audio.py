"""Damaged audio files: described and read as far as they are sound, or refused by a DataError; nothing else."""

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from datamodules.audio.inspection import SHORTEST_SECONDS, inspect_audio
from datamodules.audio.reading import AudioFormat, AudioSegment, read_crop

KINDS = [
    *(("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAVEX", "PCM_24"), ("WAV", "IMA_ADPCM"), ("AIFF", "PCM_16")),
    *(("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"), ("W64", "PCM_16")),
]
FORM = AudioFormat(16000, 0.5)
SEED = 20_261


@pytest.fixture(scope="module")
def sound() -> list[bytes]:
    """Half a second in each format, in mono and in stereo."""
    t = np.arange(8000) / 16000
    wave = 0.3 * np.sin(2 * np.pi * 300 * t * (1 + t)) + 0.02 * np.random.default_rng(0).standard_normal(8000)
    made = []
    for form, subtype in KINDS:
        for channels in (1, 2):
            file = io.BytesIO()
            soundfile.write(file, np.stack([wave] * channels, axis=1), 16000, format=form, subtype=subtype)
            made.append(file.getvalue())
    return made


def damaged(data: bytes, draw: np.random.Generator) -> bytes:
    """Bytes of the header or of the whole file changed, cut out, repeated, or the file cut short."""
    changed = bytearray(data)
    for _ in range(draw.integers(1, 5)):
        first = int(draw.integers(0, len(changed) if draw.random() < 0.5 else 128))
        last = first + int(draw.integers(1, 16))
        kind = draw.integers(6)
        if kind == 0:
            changed[first:last] = draw.bytes(last - first)
        elif kind == 1:
            changed[first:last] = [b"\0", b"\xff", b"\x7f"][draw.integers(3)] * (last - first)
        elif kind == 2:
            del changed[first:last]
        elif kind == 3:
            changed[first:first] = changed[first : first + 400]
        elif kind == 4 and first < len(changed):
            changed[first] ^= 1 << int(draw.integers(8))
        elif draw.random() < 0.3:
            del changed[int(draw.integers(1, len(changed) + 1)) :]
        if not changed:
            break
    return bytes(changed)


@pytest.mark.parametrize("cases", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_damaged_recordings(
    sound: list[bytes],
    cases: int,
    outcome: Callable[[str, Path, Callable[[], object]], Any],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path, described, heard = tmp_path / "a.wav", 0, 0
    recording = AudioSegment(str(path), duration=0.5)
    for case in range(cases):
        path.write_bytes(damaged(sound[case % len(sound)], np.random.default_rng([SEED, case])))
        found = outcome(f"case {case}, describe", path, lambda: inspect_audio(path))
        assert capfd.readouterr().err == "", f"case {case}"
        if found is not None:
            described += 1
            assert SHORTEST_SECONDS <= found.duration < math.inf, f"case {case}"
        crop = outcome(f"case {case}, read_crop", path, lambda: read_crop(recording, FORM, case % 7 / 6))  # noqa: B023
        capfd.readouterr()
        if crop is not None:
            heard += 1
            wave, length = crop
            assert wave.shape == (8000,), f"case {case}"
            assert np.isfinite(wave).all(), f"case {case}"
            assert 0 < length <= 8000, f"case {case}"
    assert 0 < described < cases
    assert 0 < heard < cases
