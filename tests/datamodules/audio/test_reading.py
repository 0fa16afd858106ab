"""Reading: what is asked for and no more, and a message for whatever is wrong with a file."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from datamodules.audio.reading import AudioFormat, AudioSegment, read_crop
from datamodules.errors import DataError

CORPORA = Path(__file__).parents[3].parent / "shared" / "corpora"
FORM = AudioFormat(16000, seconds=0.5)


def write(path: Path, wave: np.ndarray, rate: int = 16000, **how: str) -> AudioSegment:
    soundfile.write(path, wave, rate, **how)
    return AudioSegment(str(path), duration=len(wave) / rate, sample_rate=rate)


def tone(seconds: float, rate: int = 16000, pitch: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate)


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_a_crop_equals_that_part_of_the_whole(tmp_path: Path, ending: str) -> None:
    murmur = np.convolve(np.random.default_rng(0).standard_normal(32000), np.hanning(40) / 40, "same")
    recording = write(tmp_path / f"a.{ending}", murmur)
    whole, _ = soundfile.read(recording.file, dtype="float32")
    for place in (0.0, 0.3, 1.0):
        crop, length = read_crop(recording, FORM, place)
        first = round(place * (len(whole) - 8000))
        assert (len(crop), length, crop.dtype) == (8000, 8000, np.float32)
        np.testing.assert_allclose(crop, whole[first : first + 8000], atol=2e-3 if ending == "mp3" else 1e-6)


def test_only_the_crop_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording, asked = write(tmp_path / "long.wav", tone(20.0)), []
    read = soundfile.SoundFile.read
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda self, n, **how: (asked.append(n), read(self, n, **how))[1])
    read_crop(recording, FORM)
    assert asked == [8000]


def test_a_short_recording_is_padded_and_its_length_told(tmp_path: Path) -> None:
    recording = write(tmp_path / "short.wav", tone(0.2))
    wave, length = read_crop(recording, FORM)
    assert length == 3200
    assert not wave[3200:].any()
    repeated, length = read_crop(recording, AudioFormat(16000, 0.5, pad="repeat"))
    assert length == 3200
    np.testing.assert_array_equal(repeated[3200:6400], repeated[:3200])


def test_start_and_end_are_seconds_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.arange(16000) / 32768, 16000)
    wave, length = read_crop(AudioSegment(str(path), start=0.25, end=0.5, duration=0.25), FORM)
    assert length == 4000
    assert wave[0] == pytest.approx(4000 / 32768)


def test_channels_are_averaged_not_interleaved(tmp_path: Path) -> None:
    recording = write(tmp_path / "stereo.wav", np.stack([tone(0.5), -0.5 * tone(0.5)], 1), subtype="FLOAT")
    wave, length = read_crop(recording, FORM)
    assert length == 8000
    np.testing.assert_allclose(wave, 0.25 * tone(0.5), atol=1e-6)


@pytest.mark.parametrize("rate", [8000, 22050, 24414, 44100, 48000, 96000])
def test_every_rate_becomes_the_encoders(tmp_path: Path, rate: int) -> None:
    wave, length = read_crop(write(tmp_path / "a.wav", tone(0.4, rate), rate), FORM)
    assert abs(length - 6400) <= 2
    middle = wave[1000:5000]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(4000)))
    assert np.argmax(spectrum) * 16000 / 4000 == pytest.approx(440, abs=4)


def test_speed_changes_tempo_and_pitch(tmp_path: Path) -> None:
    wave, length = read_crop(write(tmp_path / "a.wav", tone(0.4)), FORM, speed=1.25)
    assert abs(length - 5120) <= 2
    spectrum = np.abs(np.fft.rfft(wave[500:4500] * np.hanning(4000)))
    assert np.argmax(spectrum) * 16000 / 4000 == pytest.approx(550, abs=4)


def test_resampling_through_a_lower_rate_limits_the_band(tmp_path: Path) -> None:
    recording = write(tmp_path / "a.wav", tone(0.5, 48000, 10000), 48000)
    full, _ = read_crop(recording, AudioFormat(48000, 0.5))
    limited, _ = read_crop(recording, AudioFormat(48000, 0.5, resample_via=16000))
    assert np.abs(full[5000:-5000]).max() > 0.4
    assert np.abs(limited[5000:-5000]).max() < 0.01


def broken(path: Path, kind: str) -> AudioSegment:
    wave = tone(1.0)
    soundfile.write(path, wave, 16000, subtype="FLOAT")
    if kind == "missing":
        path.unlink()
    elif kind == "nothing":
        path.write_bytes(b"")
    elif kind == "git-lfs":
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    elif kind == "web page":
        path.write_text("<html><body>404</body></html>")
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[:32000])
    elif kind == "no samples":
        soundfile.write(path, np.zeros(0), 16000)
    elif kind == "NaN":
        wave[5000] = np.nan
        soundfile.write(path, wave, 16000, subtype="FLOAT")
    elif kind == "integers":
        soundfile.write(path, wave * 32767, 16000, subtype="FLOAT")
    elif kind == "too loud":
        soundfile.write(path, wave * 90, 16000, subtype="FLOAT")
    elif kind == "too short":
        soundfile.write(path, wave[:399], 16000)
        return AudioSegment(str(path))
    elif kind == "pipe":
        path.unlink()
        os.mkfifo(path)
    rate = 44100 if kind == "rate" else 16000
    return AudioSegment(
        str(path), start=2.0 if kind == "beyond" else 0.0, duration=None if kind == "beyond" else 1.0, sample_rate=rate
    )


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("missing", "no such file; correct the manifest's path"),
        ("nothing", "it is empty"),
        ("git-lfs", "run git lfs pull"),
        ("web page", "it is a web page"),
        ("cut", r"truncated, \d+ of 16000 frames are there \(\d\d%\)"),
        ("no samples", "empty audio"),
        ("NaN", "NaN or infinite"),
        ("integers", "divide them by 32768"),
        ("too loud", r"samples reach 45, expected \[-1, 1\]"),
        ("too short", "has 24.9 ms, expected at least 25"),
        ("pipe", "is no regular file"),
        ("rate", "the manifest says 44100 Hz, the file 16000 Hz"),
        ("beyond", "the clip begins at 2.0 s, the file ends at 1.00 s"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong_and_what_to_do(tmp_path: Path, kind: str, says: str) -> None:
    path = tmp_path / "bad.wav"
    with pytest.raises(DataError, match=says) as error:
        read_crop(broken(path, kind), AudioFormat(16000, 2.0))
    assert str(path) in str(error.value)


@pytest.mark.parametrize("ending", ["ogg", "mp3", "flac"])
def test_compressed_files_that_were_cut_are_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"cut.{ending}"
    recording = write(path, tone(3.0))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=r"truncated|decoded|read"):
        read_crop(recording, AudioFormat(16000, 4.0))


@pytest.mark.skipif(not (CORPORA / "tess").is_dir(), reason="the TESS recordings are not on this machine")
def test_the_oddities_of_tess_are_read() -> None:
    names = {"YAF_germ_angry": None, "YAF_neat_fear": None, "OAF_food_fear": 96000}
    for name, rate in names.items():
        (path,) = (CORPORA / "tess").rglob(f"{name}.wav")
        info = soundfile.info(path)
        assert rate is None or info.samplerate == rate
        wave, length = read_crop(AudioSegment(str(path), duration=info.duration), AudioFormat(16000, 5.0))
        whole, own = soundfile.read(path, dtype="float32", always_2d=True)
        expected = soxr.resample(whole.mean(1), own, 16000)
        assert abs(length - len(expected)) <= 1
        np.testing.assert_allclose(wave[: length - 1], expected[: length - 1], atol=1e-6)
