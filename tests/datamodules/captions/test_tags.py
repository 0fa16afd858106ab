from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from datamodules.acoustics import AutocorrelationAcoustics
from datamodules.captions.levels import Thresholds
from datamodules.captions.tags import Tags
from datamodules.errors import DataError


@pytest.fixture
def rows(tmp_path) -> pd.DataFrame:
    """Ten clips, each higher and louder than the one before it."""
    files = []
    for place in range(10):
        wave = 0.08 * (place + 1) * np.sin(2 * np.pi * (110 + 20 * place) * np.arange(4000) / 16_000)
        files.append(str(tmp_path / f"{place}.wav"))
        soundfile.write(files[-1], wave, 16_000)
    return pd.DataFrame(
        {
            "id": [f"clip{place}" for place in range(10)],
            "file": files,
            "label": ["sadness"] * 5 + ["anger"] * 5,
            "gender": ["female", "male"] * 5,
            "arousal": np.linspace(1, 7, 10),
            "valence": np.linspace(7, 1, 10),
            "dominance": 4.0,
        }
    )


def test_tags_stand_in_a_fixed_order(rows, full):
    texts = Tags(full, workers=0).write(rows, rows)
    assert texts[0] == (
        "sad, low arousal, high valence, mid dominance, female, low pitch, low pitch variation, low intensity, "
        "low intensity variation, low jitter, low jitter variation, low shimmer, low shimmer variation, short duration"
    )
    assert "normal pitch, normal pitch variation, normal intensity" in texts[5]
    assert texts[9].startswith("angry, high arousal, low valence, mid dominance, male, high pitch,")
    assert texts[9].endswith("long duration")


def test_the_default_measures_by_itself(rows):
    texts = Tags(workers=0).write(rows, rows)
    assert "low pitch" in texts[0]
    assert "low intensity," in texts[0]
    assert "high pitch" in texts[9]
    assert "high intensity," in texts[9]
    assert "jitter" not in " ".join(texts)


def test_bounds_come_from_the_training_clips_alone(rows):
    tags = Tags(measured=False)
    assert tags.write(rows.iloc[[4]], rows.iloc[:5])[0].startswith("sad, high arousal, low valence")
    assert tags.write(rows.iloc[[4]], rows.iloc[4:])[0].startswith("sad, low arousal, high valence")
    assert tags.bins(rows)["arousal"] == pytest.approx((2.8, 5.2))
    assert list(tags.bins(rows)) == ["arousal", "valence", "dominance"]


def test_a_text_does_not_depend_on_the_rows_around_it(rows, full):
    tags = Tags(full, workers=0)
    together = tags.write(rows, rows.iloc[:6])
    assert [tags.write(rows.iloc[[place]], rows.iloc[:6])[0] for place in range(10)] == together


def test_labels_and_measurements_can_be_left_out(rows, full):
    assert Tags(full, labels=False, workers=0).write(rows, rows)[0].startswith("low pitch, low pitch variation")
    assert Tags(measured=False).write(rows, rows)[0] == "sad, low arousal, high valence, mid dominance, female"
    assert not any(name in Tags(full, labels=False, workers=0).bins(rows) for name in ("arousal", "valence"))


def test_what_is_not_known_is_left_out(rows):
    rows = rows.assign(label="", arousal=np.nan, gender=["", *["male"] * 9]).drop(columns="dominance")
    assert Tags(measured=False).write(rows, rows)[0] == "high valence"


def test_silence_has_tags_of_its_length_only(rows):
    soundfile.write(rows["file"].iloc[0], np.zeros(2000), 16_000)
    assert Tags(labels=False, workers=0).write(rows, rows)[0] == "short duration"


def test_a_row_without_any_tag_is_an_error(rows):
    bare = rows[["id", "file"]].assign(label="")
    with pytest.raises(DataError, match=r"10 of 10 clips have nothing .*: clip0, clip1, clip2, clip3, clip4, \.\.\."):
        Tags(measured=False).write(bare, bare)


def test_saved_bounds_replace_the_training_clips(rows, tmp_path, full):
    tags = Tags(full, workers=0)
    Thresholds(tags.bins(rows)).save(tmp_path / "bins.json")
    later = Tags(full, bins=tmp_path / "bins.json", workers=0)
    assert later.write(rows, rows.iloc[:0]) == tags.write(rows, rows)
    assert later.bins(rows.iloc[:2]) == tags.bins(rows)


def test_bounds_of_another_measurement_are_refused(rows, tmp_path, full):
    Thresholds(Tags(full, workers=0).bins(rows)).save(tmp_path / "bins.json")
    with pytest.raises(DataError, match=r"bins.json: holds bounds of .*full.pitch_mean.*, none of own"):
        Tags(AutocorrelationAcoustics(), bins=tmp_path / "bins.json", workers=0).write(rows, rows)


def test_without_training_clips_there_is_no_high(rows):
    with pytest.raises(DataError, match=r"no training clips .* set bins"):
        Tags(measured=False).write(rows, rows.iloc[:0])


def test_a_configuration_makes_it(tmp_path: Path):
    from jsonargparse import ArgumentParser

    from datamodules.captions import CaptionSource

    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--captions", type=CaptionSource)
    made = parser.instantiate(
        parser.parse_object(
            {
                "captions": {
                    "class_path": "datamodules.captions.Tags",
                    "init_args": {"acoustics": {"class_path": "datamodules.acoustics.AutocorrelationAcoustics"}},
                }
            }
        )
    )
    assert isinstance(made.captions, Tags)
    assert made.captions.levels.acoustics.name == "own"
