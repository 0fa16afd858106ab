import errno
import hashlib
import math
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from datamodules.audio.header import describe, describe_all
from datamodules.audio.reading import AudioFormat, Recording, read_crop
from datamodules.errors import DataError
from datamodules.manifest import scan
from datamodules.manifest.scan import measure

CHECKOUT = Path(__file__).parents[3]


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


CODECS = {"flac": "PCM_16", "mp3": "MPEG_LAYER_III", "ogg": "VORBIS", "opus": "OPUS"}


def speech(seconds: float = 3.0, rate: int = 16000) -> np.ndarray:
    """A gliding tone with noise: something that costs a codec bits."""
    t = np.arange(int(seconds * rate)) / rate
    return 0.3 * np.sin(2 * np.pi * 200 * t * (1 + 0.1 * t)) + 0.02 * np.random.default_rng(0).standard_normal(len(t))


def coded(path, codec: str) -> bytes:
    form = {"mp3": "MP3", "flac": "FLAC"}.get(codec, "OGG")
    soundfile.write(path, speech(), 16000, format=form, subtype=CODECS[codec])
    return path.read_bytes()


@pytest.mark.parametrize("codec", CODECS)
def test_compressed_files_are_decoded_to_their_end(tmp_path, codec, capfd):
    path = tmp_path / "a.wav"
    data = coded(path, codec)
    assert describe(path).duration == 3.0
    path.write_bytes(data[: len(data) // 2])
    refusal(path)
    if codec in ("ogg", "opus"):
        path.write_bytes(data[: data.rfind(b"OggS")])
        assert "its last Ogg page is missing" in refusal(path)
        path.write_bytes(data + b"TAG of a player")
        assert describe(path).duration == 3.0
    damaged = np.frombuffer(data, np.uint8).copy()
    damaged[np.random.default_rng(60).integers(600, len(data), 60)] ^= 0xFF
    path.write_bytes(damaged.tobytes())
    assert "damaged" in refusal(path)
    assert capfd.readouterr().err == ""


def test_one_flipped_bit_in_a_page_is_noticed(tmp_path):
    path = tmp_path / "a.ogg"
    data = bytearray(coded(path, "ogg"))
    data[-1] ^= 1
    path.write_bytes(data)
    assert "is not what its checksum says" in refusal(path)


def test_a_decoder_that_complains_is_heard_though_every_frame_is_there(tmp_path, capfd):
    path = tmp_path / "a.mp3"
    data = bytearray(coded(path, "mp3"))
    for place in range(2000, 3000, 10):
        data[place] ^= 0xFF
    path.write_bytes(data)
    assert "damaged" in refusal(path)
    assert capfd.readouterr().err == ""


def id3(*frames: tuple[bytes, bytes]) -> bytes:
    """A tag as players write it before the first frame of an mp3; its parts by name and content."""
    body = b"".join(name + len(content).to_bytes(4, "big") + bytes(2) + content for name, content in frames)
    size = bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + body


def test_what_a_decoder_says_of_texts_in_tags_is_no_damage(tmp_path, capfd):
    path = tmp_path / "a.mp3"
    tag = id3((b"COMM", b"\0eng"), (b"TXXX", b"\0"), (b"TIT2", b"\x09title"))
    data = bytearray(coded(path, "mp3"))
    path.write_bytes(tag + data)
    assert describe(path).duration == 3.0
    for place in range(2000, 3000, 10):
        data[place] ^= 0xFF
    path.write_bytes(tag + data)
    assert "damaged" in refusal(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16000, 2), (44100, 1)])
def test_an_mp3_of_which_only_the_beginning_is_decoded(tmp_path, rate, channels):
    """Variable bit rate without the frame that says how long it is: what comes after a quiet beginning is not heard."""
    path = tmp_path / "a.mp3"
    noise = 0.3 * np.random.default_rng(0).standard_normal((10 * rate, channels))
    soundfile.write(path, noise * np.repeat([0.001, 1.0], 5 * rate)[:, None], rate, subtype="MPEG_LAYER_III")
    data = path.read_bytes()
    tag = id3((b"TIT2", b"\0title"))
    path.write_bytes(tag + data + b"TAG" + bytes(125))
    assert describe(path).duration == 10.0
    path.write_bytes(data + data)
    assert "its decoder stops after 10.0 of 20." in refusal(path)
    path.write_bytes(tag + data[data.find(data[:2], 4) :])
    said = refusal(path)
    total = float(re.search(r"its decoder stops after [\d.]+ of ([\d.]+) s", said)[1])
    assert 10.0 <= total <= 10.2  # with what the encoder adds
    assert "convert it: ffmpeg -i a.mp3 a.wav" in said


def test_a_header_that_promises_more_than_there_is(tmp_path):
    path = tmp_path / "a.flac"
    data = bytearray(coded(path, "flac"))
    data[21] |= 0x0F  # the highest of 36 bits that number the samples
    path.write_bytes(data)
    refusal(path)  # libsndfile may find it out before we do


@pytest.mark.parametrize("rate", [1, 999, 800_000, 2**31 - 1])
def test_rates_of_no_recorder(tone, rate):
    data = bytearray(tone.read_bytes())
    data[24:28] = rate.to_bytes(4, "little")
    tone.write_bytes(data)
    assert f"the header says {rate} Hz" in refusal(tone)


@pytest.mark.parametrize(
    ("value", "words"),
    [(np.nan, "NaN or infinite"), (-np.inf, "NaN or infinite"), (30.0, "samples reach 30"), (9000.0, "by 32768")],
)
def test_samples_that_are_no_sound(tmp_path, value, words):
    path, wave = tmp_path / "a.wav", speech(40.0)
    wave[-5] = value  # beyond the first block
    soundfile.write(path, wave, 16000, subtype="FLOAT")
    assert words in refusal(path)


def test_sound_somewhat_beyond_full_scale_is_sound(tmp_path):
    soundfile.write(tmp_path / "a.wav", 10 * speech(), 16000, subtype="FLOAT")
    assert describe(tmp_path / "a.wav").duration == 3.0


def test_shorter_than_a_frame_of_speech(tmp_path):
    path = tmp_path / "a.wav"
    for samples in (1, 399):
        soundfile.write(path, speech()[:samples], 16000)
        assert "expected at least 25; lengthen it" in refusal(path)
    soundfile.write(path, speech()[:400], 16000)
    assert describe(path).duration == 0.025


STEREO = np.stack([speech(), speech()], axis=1)


@pytest.mark.parametrize(
    ("wave", "oddity"),
    [
        (speech(), ""),
        (np.zeros(16000), "silent"),
        (np.full(16000, 0.5), "constant"),
        (np.sign(speech()), "clipped"),
        (np.clip(5 * speech(), -1, 1), "clipped"),
        (0.99 * speech() / np.abs(speech()).max(), ""),
        (STEREO, ""),
        (STEREO * [1, -1], "cancelled"),
        (STEREO * [1, -0.97], "cancelled"),
        (STEREO * [1, 0], ""),
        (np.stack([speech()] + 15 * [np.zeros(48000)], axis=1), ""),
        (np.random.default_rng(1).uniform(-0.5, 0.5, (16000, 6)), ""),
    ],
)
def test_what_is_odd_about_a_sound(tmp_path, wave, oddity):
    soundfile.write(tmp_path / "a.wav", wave, 16000)
    assert describe(tmp_path / "a.wav").oddity == oddity


def test_pipes_devices_and_folders_are_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    for path in (tmp_path / "pipe.wav", tmp_path, Path("/dev/zero")):
        assert "is no regular file" in refusal(path)


def test_an_error_that_may_pass_is_tried_again(tone, monkeypatch):
    waits, opened = [], os.open
    errors = [OSError(errno.ESTALE, "Stale file handle"), OSError(errno.EIO, "Input/output error")]

    def failing(path, *how):
        if errors and str(path) == str(tone):
            raise errors.pop()
        return opened(path, *how)

    monkeypatch.setattr(time, "sleep", waits.append)
    monkeypatch.setattr(os, "open", failing)
    assert describe(tone).duration == 0.5
    assert waits == [0.1, 0.5]
    errors += [OSError(errno.ESTALE, "Stale file handle")] * 9
    assert "cannot be read (Stale file handle)" in refusal(tone)
    assert len(errors) == 5
    errors[:] = [PermissionError(errno.EACCES, "Permission denied")] * 9
    assert "Permission denied" in refusal(tone)
    assert len(errors) == 8


def test_thousands_of_files_leave_no_descriptor_open(tmp_path):
    good, bad = tmp_path / "a.wav", tmp_path / "b.wav"
    soundfile.write(good, speech(0.1), 16000)
    bad.write_bytes(good.read_bytes()[:1000])
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(1000):
        describe(good)
        read_crop(Recording(str(good)), AudioFormat(16000, 0.1))
        for read in (
            lambda: describe(bad),
            lambda: read_crop(Recording(str(bad), duration=0.1), AudioFormat(1)),
        ):
            with pytest.raises(DataError):
                read()
    assert len(os.listdir("/proc/self/fd")) == before


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


# What ffmpeg leaves, and what sox leaves: 0x7FFFF000 bytes of samples, and 36 of headers.
@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFF024])
def test_a_size_that_was_never_written_is_no_fault(tone, size):
    data = bytearray(tone.read_bytes())
    data[4:8], data[40:44] = size.to_bytes(4, "little"), min(size, 0x7FFFF000).to_bytes(4, "little")
    tone.write_bytes(data)
    assert describe(tone).duration == 0.5


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty: copy it again"),
        (b"just text", "cannot be read as audio (Format not recognised.); it is no audio file, or damaged"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "run git lfs pull"),
        (b"\n\t \n<!DOCTYPE html><html></html>", "it is a web page"),
        (b"\0\0\0\x20ftypM4A \0\0\0\0", "convert it: ffmpeg -i a.wav a_converted.wav"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01", "convert it: ffmpeg"),
    ],
)
def test_what_is_no_audio(tmp_path, content, words):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    assert words in refusal(path)


def test_a_command_that_converts_can_be_pasted(tmp_path):
    path = tmp_path / "my talk.m4a"
    path.write_bytes(b"\0\0\0\x20ftypM4A \0\0\0\0")
    assert "convert it: ffmpeg -i 'my talk.m4a' 'my talk.wav'" in refusal(path)


def test_a_streamed_flac_has_no_length(tmp_path):
    path = tmp_path / "a.flac"
    data = bytearray(coded(path, "flac"))
    data[21:26] = bytes([data[21] & 0xF0, 0, 0, 0, 0])  # 36 bits that number the samples
    path.write_bytes(data)
    assert "its length is not in the header; convert it: ffmpeg -i a.flac a.wav" in refusal(path)


def test_no_frames_and_no_file(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 16000)
    assert "empty audio, no samples at all" in refusal(tmp_path / "a.wav")
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
    good, bad = measure(rows_of(tone, duration=0.55, end=0.55, sample_rate=16000.0, sha256=""))
    assert bad == {}
    assert good["duration"].tolist() == [0.5]


def test_bad_files_leave_the_others_alone(tone, tmp_path):
    rows = pd.DataFrame({"file": [str(tmp_path / "none.wav"), str(tone)]}, index=[2, 3])
    good, bad = measure(rows)
    assert list(good.index) == [3]
    assert "none.wav: cannot be read" in bad[2]


def test_processes_say_what_one_process_says(tone, tmp_path, monkeypatch):
    files = [str(tone)]
    for number in range(40):
        files.append(str(tmp_path / f"{number}.wav"))
        soundfile.write(files[-1], np.zeros(8000) if number % 3 else speech(0.5), 16000)
    damaged = bytearray(coded(tmp_path / "bad.mp3", "mp3"))
    damaged[2000:3000:10] = bytes(100)
    (tmp_path / "bad.mp3").write_bytes(damaged)
    files.append(str(tmp_path / "bad.mp3"))
    rows, calls = pd.DataFrame({"file": files}), []
    alone, bad_alone = measure(rows)
    monkeypatch.setattr(scan, "_WORTH_PROCESSES", 0)
    together, bad = measure(rows, progress=lambda *call: calls.append(call))
    pd.testing.assert_frame_equal(alone, together)
    assert bad == bad_alone
    assert list(bad) == [41]
    assert calls[-1] == (42, 42)
    assert together["oddity"].value_counts().to_dict() == {"silent": 26, "": 15}


def describe_or_crash(files, hashed):
    """What a decoder does that crashes on one file."""
    if any(file.endswith("fatal.wav") for file in files):
        os.kill(os.getpid(), signal.SIGKILL)
    return describe_all(files, hashed)


def test_a_crash_of_a_decoder_names_its_file(tone, tmp_path, monkeypatch):
    names = [f"{number}.wav" for number in range(100)]
    names[20] = "fatal.wav"
    for name in names:
        (tmp_path / name).symlink_to(tone)
    monkeypatch.setattr(scan, "_WORTH_PROCESSES", 0)
    monkeypatch.setattr(scan, "describe_all", describe_or_crash)
    with pytest.raises(DataError) as error:
        measure(pd.DataFrame({"file": [str(tmp_path / name) for name in names]}))
    assert str(error.value).startswith(f"{tmp_path / 'fatal.wav'}: its decoder crashes")


def test_many_small_files_are_worth_processes(tmp_path, monkeypatch):
    pools, make = [], scan._pool
    monkeypatch.setattr(scan, "_pool", lambda processes: pools.append(processes) or make(processes))
    names = [str(tmp_path / f"{number}.ogg") for number in range(1001)]
    assert len(measure(pd.DataFrame({"file": names}))[1]) == 1001
    assert len(pools) == 1
    measure(pd.DataFrame({"file": names[1:]}))
    assert len(pools) == 1


def test_an_interrupt_does_not_wait_for_what_has_not_begun(tone, monkeypatch):
    asked, shut = [], ProcessPoolExecutor.shutdown
    monkeypatch.setattr(scan, "_WORTH_PROCESSES", 0)
    monkeypatch.setattr(
        ProcessPoolExecutor, "shutdown", lambda pool, *args, **how: asked.append(how) or shut(pool, *args, **how)
    )

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(rows_of(tone), progress=interrupt)
    assert asked[0] == {"cancel_futures": True}


STOPPED = """
import os, signal, sys
from contextlib import contextmanager
from datamodules.manifest import scan
from lightning_app.commands import prepare
from lightning_app.cli import main

@contextmanager
def stopping(verb):
    yield lambda done, total: how()

if __name__ == "__main__":
    scan._WORTH_PROCESSES = 0
    prepare._progress = stopping
    how = {"SIGTERM": lambda: os.kill(os.getpid(), signal.SIGTERM), "SIGINT": lambda: os.killpg(0, signal.SIGINT)}
    how = how[sys.argv[1]]
    sys.exit(main(["prepare", "table", sys.argv[2], "--out", sys.argv[3]]))
"""


# A cluster tells the main process alone; a terminal tells the decoders, too.
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_stopped_prepare_leaves_no_decoder_behind(tone, tmp_path, name, code):
    for number in range(320):
        (tmp_path / f"{number}.wav").symlink_to(tone)
    (tmp_path / "mine.csv").write_text("path\n" + "".join(f"{number}.wav\n" for number in range(320)))
    (tmp_path / "stopped.py").write_text(STOPPED)
    words = [sys.executable, "stopped.py", name, "mine.csv", "out.csv"]
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join([str(CHECKOUT), os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen(
        words, cwd=tmp_path, env=paths, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as ran:
        try:
            said = ran.communicate(timeout=300)[1]  # ends when the last process has closed the stream
        finally:
            with suppress(ProcessLookupError):
                os.killpg(ran.pid, signal.SIGKILL)
    assert ran.returncode == code, said
    assert "Traceback" not in said
    assert not (tmp_path / "out.csv").exists()


def test_the_column_of_oddities_is_made_where_there_are_any(tone):
    assert "oddity" not in measure(rows_of(tone))[0]
