from collections import Counter

import numpy as np
import pandas as pd
import pytest
import soundfile

from datamodules.acoustics import Acoustics
from datamodules.captions import phrasebook
from datamodules.captions.paraclap import ParaClapCaptions
from datamodules.errors import DataError
from datamodules.labels import EMOTIONS


@pytest.fixture
def rows(tmp_path) -> pd.DataFrame:
    """Three clips: soft, medium, loud; everything that is measured or rated rises."""
    files = []
    for place in range(3):
        files.append(str(tmp_path / f"{place}.wav"))
        soundfile.write(files[-1], np.full(800, 0.2 * (place + 1)), 16_000)
    rising = [1.0, 4.0, 7.0]
    return pd.DataFrame(
        {
            "id": ["a", "b", "c"],
            "file": files,
            "label": ["sadness", "happiness", "anger"],
            "gender": ["female", "", "male"],
            "arousal": rising,
            "valence": rising,
            "dominance": rising,
        }
    )


def test_the_plain_caption_word_by_word(rows, full):
    soft, medium, loud = ParaClapCaptions(full, preset="code", workers=0).write(rows, rows)
    [volume] = [words for words in phrasebook.ACOUSTIC["intensity_mean"]["low"] if words in soft]
    opening = f"speaker has a low-pitched voice and hardly varies the pitch and {volume} and "
    ending = (
        " and has a steady voice and has a clear voice and sounds sad and is only slightly sad and has little energy"
        " and comes across as submissive and feels bad and is female"
    )
    length = soft.removeprefix(opening).removesuffix(ending)
    assert length in phrasebook.ACOUSTIC["duration"]["low"]
    assert "slightly happy" not in medium
    assert "very happy" not in medium
    assert medium.endswith("feels neither good nor bad")
    assert "sounds angry and is very angry and is full of energy and comes across as dominant and feels good" in loud
    assert loud.endswith("and is male")


@pytest.mark.parametrize(
    ("preset", "left_out"), [("paper", ()), ("code", ("intensity_std", "jitter_std", "shimmer_std"))]
)
def test_phrases_stand_in_the_order_of_the_paper(rows, preset, left_out, full):
    text = ParaClapCaptions(full, preset=preset, workers=0).write(rows, rows)[2]
    expected = [words["high"] for quantity, words in phrasebook.ACOUSTIC.items() if quantity not in left_out]
    expected += [
        [phrase.format(emotion="angry") for phrase in phrases]
        for phrases in (phrasebook.EMOTION, phrasebook.DEGREE["high"])
    ]
    expected += [words["high"] for words in phrasebook.RATING.values()] + [phrasebook.GENDER["male"]]
    said = text.removeprefix("speaker ").split(" and ")
    assert len(said) == len(expected)
    for phrase, allowed in zip(said, expected, strict=True):
        assert phrase in allowed


def test_the_quantities_stand_in_the_order_of_the_paper():
    assert list(phrasebook.ACOUSTIC) == [
        "pitch_mean", "pitch_std", "intensity_mean", "intensity_std", "duration",
        "jitter_mean", "jitter_std", "shimmer_mean", "shimmer_std",
    ]  # fmt: skip
    assert list(phrasebook.RATING) == ["arousal", "dominance", "valence"]
    for words in (*phrasebook.ACOUSTIC.values(), *phrasebook.RATING.values()):
        assert list(words) == ["low", "middle", "high"]


def test_no_two_levels_share_a_wording():
    phrases = [
        phrase
        for words in (*phrasebook.ACOUSTIC.values(), *phrasebook.RATING.values(), phrasebook.GENDER, phrasebook.DEGREE)
        for level in words.values()
        for phrase in level
    ]
    assert len(set(phrases)) == len(phrases)


def test_every_emotion_can_be_said(rows, full):
    many = pd.concat([rows] * 5).iloc[:14].assign(label=list(EMOTIONS), id=list(EMOTIONS), gender="", arousal=7.0)
    texts = ParaClapCaptions(full, workers=0).write(many, pd.concat([rows, many]))
    assert all(EMOTIONS[noun].adjective in text for noun, text in zip(EMOTIONS, texts, strict=True))
    assert " a a" not in "".join(texts)


def test_arousal_does_not_intensify_what_has_no_degrees(rows, full):
    [text] = ParaClapCaptions(full, workers=0).write(rows.iloc[[2]].assign(label="neutral"), rows)
    assert text.count("neutral") == 1


def test_the_wording_depends_on_seed_and_id_alone(rows, full):
    def write(seed: int, table: pd.DataFrame) -> list[str]:
        return ParaClapCaptions(full, seed=seed, workers=0).write(table, rows)

    assert write(1, rows) == write(1, rows)
    assert write(1, rows.iloc[::-1])[::-1] == write(1, rows)
    assert write(1, rows) != write(2, rows)
    copies = pd.concat([rows.iloc[[2]]] * 200).assign(id=range(200))
    counts = Counter("speaks loudly" in text for text in write(1, copies))
    assert 70 < counts[True] < 130


def test_a_sample_holds_the_emotion_and_falls_linearly(rows, full):
    copies = pd.concat([rows.iloc[[2]]] * 3000).assign(id=range(3000), gender="")
    texts = ParaClapCaptions(full, preset="code", sample=3, workers=0).write(copies, rows)
    sizes = Counter(text.count(" and ") for text in texts)  # the emotion's phrase and as many more
    assert all(" sounds angry" in text for text in texts)
    assert set(sizes) == {1, 2, 3}
    for size, share in ((1, 3 / 6), (2, 2 / 6), (3, 1 / 6)):
        assert sizes[size] / 3000 == pytest.approx(share, abs=0.03)
    openings = Counter("has a high-pitched voice" in text for text in texts)
    assert openings[True] / 3000 == pytest.approx((1 + 2 / 3) / 10, abs=0.03)  # 10 others, 5/3 drawn on average


def test_a_sample_keeps_the_order(rows, full):
    for seed in range(20):
        text = ParaClapCaptions(full, preset="code", sample=20, seed=seed, workers=0).write(rows, rows)[2]
        everything = ParaClapCaptions(full, preset="code", seed=seed, workers=0).write(rows, rows)[2]
        places = [everything.index(phrase) for phrase in text.removeprefix("speaker ").split(" and ")]
        assert places == sorted(places)


def test_what_is_not_known_is_left_out_and_nothing_at_all_is_an_error(rows, full):
    soundfile.write(rows["file"].iloc[0], np.zeros(800), 16_000)

    class Nothing(type(full)):
        def measure(self, wave, sample_rate):
            return dict.fromkeys(self.columns, float("nan"))

        version = "2"

    bare = rows[["id", "file"]].assign(label=["", "fear", "fear"], gender="other")
    with pytest.raises(DataError, match="1 of 3 clips have nothing that could be said of them: a;"):
        ParaClapCaptions(Nothing(), workers=0).write(bare, bare)
    assert (
        ParaClapCaptions(Nothing(), preset="code", workers=0).write(bare.iloc[1:], bare)
        == ["speaker sounds fearful"] * 2
    )


def test_its_bounds_are_named_by_who_measured(rows, full):
    bounds = ParaClapCaptions(full, workers=0).bins(rows)
    assert list(bounds)[:3] == ["arousal", "valence", "dominance"]
    assert bounds["full.pitch_mean"] == pytest.approx((0.32, 0.48), abs=1e-3)


def test_no_sample_below_one():
    with pytest.raises(ValueError, match="sample must be at least 1"):
        ParaClapCaptions(sample=0)


class LevelAndLoudness(Acoustics):
    """Reads a level off a clip's first sample and a loudness off its last, each 0.1, 0.5 or 0.9."""

    name = "both"
    columns = ("intensity_mean", "loudness_mean")
    version = "1"

    def measure(self, wave, sample_rate):
        return {"intensity_mean": float(wave[0]), "loudness_mean": float(wave[-1])}


@pytest.mark.parametrize("preset", ["code", "paper"])
def test_the_code_calls_loud_what_is_so_by_level_or_by_loudness(tmp_path, preset):
    numbers = {"low": 0.1, "middle": 0.5, "high": 0.9}
    pairs = [(level, loudness) for level in numbers for loudness in numbers]
    files = [str(tmp_path / f"{level}-{loudness}.wav") for level, loudness in pairs]
    for file, (level, loudness) in zip(files, pairs, strict=True):
        soundfile.write(file, np.array([numbers[level]] * 400 + [numbers[loudness]] * 400), 16_000, subtype="FLOAT")
    rows = pd.DataFrame({"id": files, "file": files, "label": "", "gender": ""})
    texts = ParaClapCaptions(LevelAndLoudness(), preset=preset, workers=0).write(rows, rows)
    said = {
        pair: next(level for level, words in phrasebook.ACOUSTIC["intensity_mean"].items() if text[8:] in words)
        for pair, text in zip(pairs, texts, strict=True)
    }
    for level, loudness in pairs:
        either = "high" if "high" in (level, loudness) else "low" if "low" in (level, loudness) else "middle"
        assert said[level, loudness] == (either if preset == "code" else level)
