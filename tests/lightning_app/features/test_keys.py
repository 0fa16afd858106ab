"""A key changes with everything that changes a feature, and with nothing else."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from datamodules.audio.reading import AudioFormat, AudioSegment
from datamodules.cache import cache_folder
from lightning_app.features import keys
from lightning_app.features.keys import clip_key, text_key, transform_key

FORM = AudioFormat(16000, 5.0, "zero")
HASH = "ab" * 32


def test_keys_are_32_bytes_and_the_same_in_every_run() -> None:
    assert len(clip_key(AudioSegment("/a.wav"), HASH)) == len(text_key("")) == 32
    assert text_key("ärgerlich").hex() == "a2098d9e7d29485abe5c0d1193867643488d93ca4ab3ee79d0fa1efa8a576850"


def test_a_hash_follows_the_sound_wherever_it_lies() -> None:
    here, there = AudioSegment("/here/a.wav"), AudioSegment("/there/b.wav", duration=2.0, sample_rate=16000)
    assert clip_key(here, HASH) == clip_key(there, HASH.upper()) != clip_key(here, "cd" * 32)


@pytest.mark.parametrize("sha256", [HASH, ""])
@pytest.mark.parametrize("change", [{"start": 0.5}, {"end": 1.0}, {"end": 1.0000000001}])
def test_a_clip_is_a_stretch_of_its_file(tmp_path: Path, sha256: str, change: dict[str, float]) -> None:
    (tmp_path / "a.wav").write_bytes(b"sound")
    recording = AudioSegment(str(tmp_path / "a.wav"))
    assert clip_key(recording, sha256) != clip_key(replace(recording, **change), sha256)


def test_without_a_hash_a_file_is_its_path_size_and_time(tmp_path: Path) -> None:
    first, second = tmp_path / "a.wav", tmp_path / "b.wav"
    for file in (first, second):
        file.write_bytes(b"sound")
        os.utime(file, ns=(0, 10**18))
    before = clip_key(AudioSegment(str(first)))
    assert before == clip_key(AudioSegment(str(first))) != clip_key(AudioSegment(str(second)))
    os.utime(first, ns=(0, 10**18 + 1))
    later = clip_key(AudioSegment(str(first)))
    first.write_bytes(b"sounds")
    os.utime(first, ns=(0, 10**18))
    longer = clip_key(AudioSegment(str(first)))
    first.unlink()
    gone = clip_key(AudioSegment(str(first)))
    assert len({before, later, longer, gone}) == 4


def test_texts_differ_in_every_letter() -> None:
    assert len({text_key(text) for text in ("angry", "Angry", "angry ", "", "ängry")}) == 5


@pytest.mark.parametrize(
    "change", [{"sample_rate": 8000}, {"seconds": 4.0}, {"pad": "repeat"}, {"resample_via": 8000}], ids=str
)
def test_a_transform_changes_with_the_form(change: dict[str, object]) -> None:
    assert transform_key(FORM, "32-true", "cpu") != transform_key(replace(FORM, **change), "32-true", "cpu")


def test_a_transform_changes_with_precision_device_and_kind() -> None:
    made = [(FORM, "32-true", "cpu"), (FORM, "bf16-mixed", "cpu"), (FORM, "32-true", "cuda"), (None, "32-true", "cpu")]
    assert len({transform_key(*each) for each in made}) == 4
    assert transform_key(*made[0]) == transform_key(AudioFormat(16000), "32-true", "cpu")


def test_a_transform_changes_with_the_reader_and_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    before = transform_key(FORM, "32-true", "cpu"), transform_key(None, "32-true", "cpu")
    with monkeypatch.context() as patched:
        patched.setattr(keys, "READING", 0)
        assert transform_key(FORM, "32-true", "cpu") != before[0]
        assert transform_key(None, "32-true", "cpu") == before[1]
    for library, changed in (("torch", (True, True)), ("transformers", (True, True)), ("soxr", (True, False))):
        with monkeypatch.context() as patched:
            patched.setattr(keys, "version", lambda name, library=library: "0" if name == library else "1")
            one = transform_key(FORM, "32-true", "cpu"), transform_key(None, "32-true", "cpu")
            patched.setattr(keys, "version", lambda name: "1")
            other = transform_key(FORM, "32-true", "cpu"), transform_key(None, "32-true", "cpu")
        assert (one[0] != other[0], one[1] != other[1]) == changed


@pytest.mark.parametrize(
    ("chosen", "xdg", "folder"),
    [
        ("/fast/disk", "/xdg", "/fast/disk"),
        ("~/kept", None, "/home/ann/kept"),
        (None, "/xdg", "/xdg/emoclap"),
        ("", "/xdg", "/xdg/emoclap"),
        (None, None, "/home/ann/.cache/emoclap"),
        (None, "relative", "/home/ann/.cache/emoclap"),
        ("off", "/xdg", None),
    ],
)
def test_the_cache_folder(monkeypatch: pytest.MonkeyPatch, chosen: str | None, xdg: str | None, folder: str) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    for name, value in (("EMOCLAP_CACHE", chosen), ("XDG_CACHE_HOME", xdg)):
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    assert cache_folder() == (folder and Path(folder))


def test_a_relative_folder_is_meant_from_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMOCLAP_CACHE", "kept")
    assert cache_folder() == tmp_path / "kept"
