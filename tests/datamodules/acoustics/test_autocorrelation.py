from pathlib import Path

import numpy as np
import pytest
import soundfile

from datamodules.acoustics.autocorrelation import track_pitch

RATE = 16_000
EMODB = Path(__file__).parents[4] / "shared" / "corpora" / "emodb" / "wav"


def tone(hertz: float, seconds: float = 0.5) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * hertz * np.arange(int(RATE * seconds)) / RATE)


def pulses(hertz: float, seconds: float = 0.5) -> np.ndarray:
    """A train of pulses through one resonance at 700 Hz, as a glottis excites a vowel."""
    times = np.arange(int(RATE * seconds)) / RATE
    train = (np.diff(np.floor(times * hertz), prepend=0) > 0).astype(float)
    ring = np.exp(-np.arange(400) / 80) * np.cos(2 * np.pi * 700 * np.arange(400) / RATE)
    return np.convolve(train, ring)[: len(train)]


def semitones(found: np.ndarray, hertz: float) -> np.ndarray:
    return 12 * np.log2(found / hertz)


@pytest.mark.parametrize("hertz", [65, 100, 147, 220, 333, 500, 590])
@pytest.mark.parametrize("sound", [tone, pulses])
def test_a_known_pitch_is_found_without_octave_errors(sound, hertz):
    found = track_pitch(sound(hertz), RATE)
    inner = found[5:-5]
    assert np.isnan(inner).mean() < 0.05
    assert np.nanmax(np.abs(semitones(inner, hertz))) < 0.3
    assert np.nanmedian(np.abs(semitones(inner, hertz))) < 0.1


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100])
def test_the_rate_does_not_matter(rate):
    wave = np.sin(2 * np.pi * 180 * np.arange(rate // 2) / rate)
    assert np.nanmedian(track_pitch(wave, rate)) == pytest.approx(180, rel=0.002)


def test_a_glide_is_followed():
    hertz = np.linspace(120, 240, RATE)
    found = track_pitch(np.sin(2 * np.pi * np.cumsum(hertz) / RATE), RATE)[5:-5]
    assert np.nanmax(np.abs(semitones(found, np.interp(np.arange(5, 96) * 160, np.arange(RATE), hertz)))) < 0.3


def test_noise_and_silence_have_no_pitch():
    noise = np.random.default_rng(0).normal(size=RATE)
    assert np.isnan(track_pitch(noise, RATE)).mean() > 0.97
    assert np.isnan(track_pitch(np.zeros(RATE), RATE)).all()
    assert np.isnan(track_pitch(np.zeros(10), RATE)).all()


def test_what_is_periodic_in_the_background_is_not_the_speaker():
    wave = np.concatenate([tone(200), 0.01 * tone(100)])
    found = track_pitch(wave, RATE)
    assert np.isnan(found[55:]).all()
    assert np.nanmedian(found) == pytest.approx(200, rel=0.005)


def test_loudness_does_not_matter():
    np.testing.assert_allclose(track_pitch(pulses(150), RATE), track_pitch(1e-3 * pulses(150), RATE), rtol=1e-6)


def praat_median(wave: np.ndarray, rate: int) -> float:
    hertz = pytest.importorskip("parselmouth").Sound(wave, rate).to_pitch_ac(pitch_floor=60, pitch_ceiling=600)
    voiced = hertz.selected_array["frequency"]
    return float(np.median(voiced[voiced > 0]))


def test_generated_speech_agrees_with_praat():
    praat = pytest.importorskip("parselmouth.praat")
    off = []
    for voice in ("Male1", "Male3", "Female1", "Female3"):
        for text in ("The box is on the kitchen table.", "I never said that we would come."):
            synthesiser = praat.call("Create SpeechSynthesizer...", "English (Great Britain)", voice)
            wave = praat.call(synthesiser, "To Sound...", text, "no")[0].resample(RATE).values[0]
            off.append(abs(semitones(np.nanmedian(track_pitch(wave, RATE)), praat_median(wave, RATE))))
    assert np.mean(np.array(off) < 1) > 0.8, off


def test_real_speech_agrees_with_praat():
    if not EMODB.is_dir():
        pytest.skip(f"needs EmoDB in {EMODB}")
    off = []
    for file in sorted(EMODB.glob("*.wav"))[::18]:
        wave, rate = soundfile.read(file)
        off.append(abs(semitones(np.nanmedian(track_pitch(wave, rate)), praat_median(wave, rate))))
    assert len(off) > 20
    assert np.mean(np.array(off) < 1) > 0.85, sorted(off)
