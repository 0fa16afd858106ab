import errno
import hashlib
import math
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from datamodules.audio.inspection import inspect_audio
from datamodules.audio.reading import AudioFormat, AudioSegment, read_crop
from datamodules.errors import DataError

CHECKOUT = Path(__file__).parents[3]


def refusal(path) -> str:
    with pytest.raises(DataError) as error:
        inspect_audio(path)
    assert str(path) in str(error.value)
    return str(error.value)


def test_length_rate_and_hash(tone):
    recording = inspect_audio(tone)
    assert (recording.duration, recording.sample_rate) == (0.5, 16000)
    assert recording.sha256 == hashlib.sha256(tone.read_bytes()).hexdigest()
    assert inspect_audio(tone, hashed=False).sha256 == ""


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
    assert inspect_audio(path).duration == 3.0
    path.write_bytes(data[: len(data) // 2])
    refusal(path)
    if codec in ("ogg", "opus"):
        path.write_bytes(data[: data.rfind(b"OggS")])
        assert "its last Ogg page is missing" in refusal(path)
        path.write_bytes(data + b"TAG of a player")
        assert inspect_audio(path).duration == 3.0
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
    assert inspect_audio(path).duration == 3.0
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
    assert inspect_audio(path).duration == 10.0
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
    assert inspect_audio(tmp_path / "a.wav").duration == 3.0


def test_shorter_than_a_frame_of_speech(tmp_path):
    path = tmp_path / "a.wav"
    for samples in (1, 399):
        soundfile.write(path, speech()[:samples], 16000)
        assert "expected at least 25; lengthen it" in refusal(path)
    soundfile.write(path, speech()[:400], 16000)
    assert inspect_audio(path).duration == 0.025


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
    assert inspect_audio(tmp_path / "a.wav").oddity == oddity


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
    assert inspect_audio(tone).duration == 0.5
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
        inspect_audio(good)
        read_crop(AudioSegment(str(good)), AudioFormat(16000, 0.1))
        for read in (
            lambda: inspect_audio(bad),
            lambda: read_crop(AudioSegment(str(bad), duration=0.1), AudioFormat(1)),
        ):
            with pytest.raises(DataError):
                read()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("ending", ["aiff", "flac", "ogg", "mp3"])
def test_the_format_is_told_by_content(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    soundfile.write(path, np.zeros(24000), 24000)
    renamed = path.rename(tmp_path / "a.wav")
    assert inspect_audio(renamed).sample_rate == 24000
    assert math.isclose(inspect_audio(renamed).duration, 1.0, abs_tol=0.06)


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
    assert inspect_audio(tone).duration == 0.5


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
