import hashlib
import math

import numpy as np
import pandas as pd
import pytest
import soundfile

from datamodules.errors import DataError
from datamodules.measurement import measure
from datamodules.recordings import describe


@pytest.fixture
def tone(tmp_path):
    path = tmp_path / "tone.wav"
    soundfile.write(path, 0.1 * np.sin(np.arange(8000) / 10), 16000)
    return path


def refusal(path) -> str:
    with pytest.raises(DataError) as error:
        describe(path)
    assert str(path) in str(error.value)
    return str(error.value)


def test_length_rate_and_hash(tone):
    recording = describe(tone)
    assert (recording.duration, recording.sample_rate) == (0.5, 16000)
    assert recording.sha256 == hashlib.sha256(tone.read_bytes()).hexdigest()
    assert describe(tone, hashed=False).sha256 == ""


@pytest.mark.parametrize("ending", ["aiff", "flac", "ogg", "mp3"])
def test_the_format_is_told_by_content(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    soundfile.write(path, np.zeros(24000), 24000)
    renamed = path.rename(tmp_path / "a.wav")
    assert describe(renamed).sample_rate == 24000
    assert math.isclose(describe(renamed).duration, 1.0, abs_tol=0.06)


@pytest.mark.parametrize("ending", ["wav", "aiff"])
@pytest.mark.parametrize("share", [0.5, 0.99])
def test_a_cut_file_is_noticed(tmp_path, ending, share):
    path = tmp_path / f"a.{ending}"
    soundfile.write(path, np.zeros(48000), 48000)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert f"truncated, {path.stat().st_size} of 96" in refusal(path)


def test_a_size_that_was_never_written_is_no_fault(tone):
    data = bytearray(tone.read_bytes())
    data[4:8] = b"\xff\xff\xff\xff"
    tone.write_bytes(data)
    assert describe(tone).duration == 0.5


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"just text", "not audio that libsndfile reads"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "run git lfs pull"),
        (b"\n<!DOCTYPE html><html></html>", "this is a web page"),
    ],
)
def test_what_is_no_audio(tmp_path, content, words):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    assert words in refusal(path)


def test_no_frames_and_no_file(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 16000)
    assert "empty audio, 0 frames" in refusal(tmp_path / "a.wav")
    assert "cannot be read (No such file" in refusal(tmp_path / "none.wav")


def rows_of(file, **columns):
    return pd.DataFrame({"file": [str(file)], **{name: [value] for name, value in columns.items()}}, index=[7])


def test_measure_fills_in_and_opens_each_file_once(tone):
    rows = pd.DataFrame(
        {"file": [str(tone)] * 3, "start": [np.nan, 0.1, 0.2], "end": [np.nan, 0.3, np.nan]}, index=[2, 3, 9]
    )
    calls = []
    good, bad = measure(rows, progress=lambda *call: calls.append(call))
    assert bad == {}
    assert calls == [(1, 1)]
    assert list(good.index) == [2, 3, 9]
    np.testing.assert_allclose(good["duration"], [0.5, 0.2, 0.3], rtol=1e-12)
    assert set(good["sample_rate"]) == {16000}
    assert set(good["sha256"].str.len()) == {64}
    assert "sha256" not in measure(rows, hashed=False)[0]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"sample_rate": 44100.0}, "the table says sample_rate 44100, the file has 16000 Hz"),
        ({"duration": 1.0}, "the table says duration 1 s, the clip has 0.500 s"),
        ({"end": 0.8}, "the table says 0 to 0.8 s, the file ends at 0.500 s"),
        ({"start": 0.5}, "the table says 0.5 to 0.5 s"),
        ({"sha256": "0" * 64}, "the file has changed"),
    ],
)
def test_what_the_table_says_is_compared(tone, columns, words):
    good, bad = measure(rows_of(tone, **columns))
    assert good.empty
    assert list(bad) == [7]
    assert words in bad[7]


def test_what_the_table_rounds_is_accepted(tone):
    good, bad = measure(rows_of(tone, duration=0.52, end=0.53, sample_rate=16000.0, sha256=""))
    assert bad == {}
    assert good["duration"].tolist() == [0.5]


def test_bad_files_leave_the_others_alone(tone, tmp_path):
    rows = pd.DataFrame({"file": [str(tmp_path / "none.wav"), str(tone)]}, index=[2, 3])
    good, bad = measure(rows)
    assert list(good.index) == [3]
    assert "none.wav: cannot be read" in bad[2]
