"""The demo corpus as a whole: files, rows, splits, determinism."""

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from datamodules.corpora.demo import corpus
from datamodules.corpora.demo.corpus import make_demo, plan
from datamodules.corpora.demo.emotions import EMOTIONS
from datamodules.corpora.demo.soundscapes import SEEN, UNSEEN
from datamodules.errors import MissingExtra

pytest.importorskip("parselmouth", reason="the demo corpus is made with praat-parselmouth (extra demo)")

COLUMNS = [
    "id",
    "path",
    "start",
    "end",
    "duration",
    "sample_rate",
    "corpus",
    "language",
    "speaker",
    "gender",
    "session",
]
COLUMNS += ["split", "transcript", "emotion", "valence", "arousal", "dominance", "soundscape", "sha256"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root, calls = tmp_path_factory.mktemp("demo"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "_CHUNK", 12)
        rows = make_demo(root, clips=24, workers=2, progress=lambda done, total: calls.append((done, total)))
    return root, rows, calls


def test_same_bytes_whatever_the_number_of_workers(made, tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "_CHUNK", 12)
    assert make_demo(tmp_path, clips=24, workers=1) == made[1]


def test_another_seed_makes_other_recordings(made, tmp_path):
    rows = make_demo(tmp_path, clips=2, seed=2, workers=1)
    assert {row["sha256"] for row in rows}.isdisjoint(row["sha256"] for row in made[1])


def test_rows_describe_the_files_exactly(made):
    root, rows, _ = made
    assert [row["id"] for row in rows] == [f"demo_{index:05d}" for index in range(24)]
    for row in rows:
        assert list(row) == COLUMNS
        info = soundfile.info(root / row["path"])
        assert (info.samplerate, info.channels, info.subtype) == (row["sample_rate"], 1, "PCM_16")
        assert info.frames == round(row["duration"] * row["sample_rate"])
        assert (row["start"], row["end"]) == (0.0, row["duration"])
        assert row["sha256"] == hashlib.sha256((root / row["path"]).read_bytes()).hexdigest()


def test_recordings_are_sound(made):
    root, rows, _ = made
    for row in rows:
        samples, _ = soundfile.read(root / row["path"])
        assert np.isfinite(samples).all()
        assert 0.02 < np.abs(samples).max() < 0.99
        assert -50.0 < 20.0 * np.log10(np.sqrt(np.mean(samples**2))) < -10.0
        assert 0.8 < row["duration"] < 4.0


def test_affect_stays_on_its_scale(made):
    ratings = [row[name] for row in made[1] for name in ("valence", "arousal", "dominance")]
    assert min(ratings) >= 1.0
    assert max(ratings) <= 7.0


def test_progress_counts_clips_up_to_all(made):
    assert made[2] == [(12, 24), (24, 24)]


def test_splits_share_nothing_that_would_leak():
    clips = plan(1440, seed=1)
    parts = {split: [clip for clip in clips if clip.split == split] for split in ("train", "dev", "test")}
    assert {split: len(part) for split, part in parts.items()} == {"train": 1000, "dev": 120, "test": 320}
    for one, other in (("train", "dev"), ("train", "test"), ("dev", "test")):
        for what in ("sentence", "speaker"):
            assert not {getattr(clip, what) for clip in parts[one]} & {getattr(clip, what) for clip in parts[other]}
    assert {clip.soundscape for clip in parts["test"]} == set(UNSEEN)
    assert {clip.soundscape for clip in parts["train"]} == set(SEEN)
    assert {clip.speaker.language for clip in parts["test"]} - {clip.speaker.language for clip in parts["train"]} == {
        "it"
    }
    assert not {clip.speaker.variant for clip in parts["test"]} & {clip.speaker.variant for clip in parts["train"]}


def test_emotions_are_balanced_in_each_split_and_speaker():
    clips = plan(1440, seed=1)
    for split in ("train", "dev", "test"):
        counts = [sum(clip.split == split and clip.emotion == emotion for clip in clips) for emotion in EMOTIONS]
        assert max(counts) - min(counts) <= 1
        assert {(clip.speaker, clip.emotion) for clip in clips if clip.split == split} == {
            (clip.speaker, emotion) for clip in clips if clip.split == split for emotion in EMOTIONS
        }


def test_missing_synthesiser_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "parselmouth.praat", None)
    with pytest.raises(MissingExtra, match=r'pip install "emoclap\[demo\]"') as caught:
        make_demo(tmp_path / "new", clips=1)
    assert caught.value.exit_code == 4
    assert not Path(tmp_path / "new").exists()
