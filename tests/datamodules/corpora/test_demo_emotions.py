"""Emotions must differ as the literature says: measured by Praat, on one speaker and sentence without soundscape."""

from dataclasses import replace

import numpy as np
import pytest

from datamodules.corpora.demo.emotions import EMOTIONS, RULES, Prosody, affect, express
from datamodules.corpora.demo.speech import SAMPLE_RATE, speak
from datamodules.corpora.demo.voices import SPEAKERS

parselmouth = pytest.importorskip("parselmouth", reason="F0 is measured with praat-parselmouth (extra demo)")


def measure(prosody, speaker=SPEAKERS[1]):
    samples = speak(speaker, "They will meet us at the river now.", prosody, np.random.default_rng(0))
    sound = parselmouth.Sound(samples, SAMPLE_RATE)
    f0 = sound.to_pitch(0.01, 0.55 * speaker.pitch, 3.2 * speaker.pitch).selected_array["frequency"]
    semitones = 12.0 * np.log2(f0[f0 > 0])
    power = np.abs(np.fft.rfft(samples)) ** 2
    hertz = np.fft.rfftfreq(samples.size, 1.0 / SAMPLE_RATE)
    return {
        "f0": float(np.median(f0[f0 > 0])),
        "range": float(np.percentile(semitones, 85) - np.percentile(semitones, 15)),
        "ending": float(semitones[-10:].mean() - np.median(semitones)),
        "duration": samples.size / SAMPLE_RATE,
        "level": float(10.0 * np.log10(np.mean(samples**2))),
        "brightness": float(10.0 * np.log10(power[hertz > 1000].sum() / power[hertz <= 1000].sum())),
        "hnr": float(sound.to_harmonicity_cc(0.02, 75.0).values[0].clip(min=0.0).mean()),
    }


@pytest.fixture(scope="module")
def measured():
    return {emotion: measure(rule) for emotion, rule in RULES.items()}


@pytest.mark.parametrize(
    ("what", "low", "high"),
    [
        ("f0", "sadness", "neutral"),
        ("f0", "neutral", "anger"),
        ("f0", "neutral", "happiness"),
        ("f0", "neutral", "surprise"),
        ("f0", "anger", "fear"),
        ("range", "sadness", "neutral"),
        ("range", "neutral", "anger"),
        ("range", "neutral", "happiness"),
        ("range", "neutral", "surprise"),
        ("ending", "neutral", "surprise"),
        ("duration", "fear", "neutral"),
        ("duration", "anger", "neutral"),
        ("duration", "happiness", "neutral"),
        ("duration", "neutral", "sadness"),
        ("level", "sadness", "fear"),
        ("level", "fear", "neutral"),
        ("level", "neutral", "happiness"),
        ("level", "happiness", "anger"),
        ("brightness", "sadness", "neutral"),
        ("brightness", "neutral", "anger"),
        ("hnr", "fear", "neutral"),
    ],
)
def test_direction(measured, what, low, high):
    assert measured[low][what] < measured[high][what]


@pytest.mark.parametrize("speaker", [SPEAKERS[0], SPEAKERS[1], SPEAKERS[6]], ids=lambda speaker: speaker.name)
@pytest.mark.parametrize("level", [-3.0, 0.0, 6.0])
def test_level_is_the_median_f0_in_semitones(speaker, level):
    f0 = measure(Prosody(level=level), speaker)["f0"]
    assert 12.0 * np.log2(f0 / speaker.pitch) == pytest.approx(level, abs=1.0)


def test_gain_and_rate_are_what_they_say():
    plain, changed = measure(Prosody()), measure(Prosody(gain=6.0, rate=0.4))
    assert changed["level"] - plain["level"] == pytest.approx(6.0, abs=1.0)
    assert plain["duration"] / changed["duration"] == pytest.approx(2.0**0.4, rel=0.12)


def test_breath_makes_the_voice_noisy():
    assert measure(Prosody(breath=0.6))["hnr"] < measure(Prosody())["hnr"] - 1.0


def test_jitter_makes_the_voice_rough():
    assert measure(Prosody(jitter=0.04))["hnr"] < measure(Prosody())["hnr"] - 1.0


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_expression_grows_with_intensity(emotion):
    def mean_level(intensity):
        return np.mean([express(emotion, intensity, np.random.default_rng(seed)).level for seed in range(200)])

    assert mean_level(1.0) == pytest.approx(RULES[emotion].level, abs=0.4)
    assert mean_level(0.5) == pytest.approx(0.5 * RULES[emotion].level, abs=0.4)


def test_affect_follows_emotion_and_intensity():
    rng = np.random.default_rng(0)
    means = {emotion: np.mean([affect(emotion, 1.0, rng) for _ in range(50)], axis=0) for emotion in EMOTIONS}
    assert max(means, key=lambda emotion: means[emotion][0]) == "happiness"
    assert min(means, key=lambda emotion: means[emotion][1]) == "sadness"
    assert means["anger"][2] > means["fear"][2] + 2.0
    mild = np.mean([affect("anger", 0.5, rng) for _ in range(50)], axis=0)
    assert means["anger"][0] < mild[0] < means["neutral"][0]


def test_shorter_tract_raises_formants_but_neither_pitch_nor_duration():
    long, short = replace(SPEAKERS[0], formant=0.9), replace(SPEAKERS[0], formant=1.15)
    low, high = measure(Prosody(), long), measure(Prosody(), short)
    assert high["brightness"] > low["brightness"]
    assert high["f0"] == pytest.approx(low["f0"], rel=0.05)
    assert high["duration"] == pytest.approx(low["duration"], rel=0.15)
