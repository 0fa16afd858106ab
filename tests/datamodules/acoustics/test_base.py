import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from datamodules.acoustics import Acoustics, AutocorrelationAcoustics, Egemaps, MissingExtra, Praat
from datamodules.acoustics.base import COLUMNS, REFERENCE_HZ

RATE = 16_000


def tone(hertz: float, seconds: float = 1.0, amplitude: float = 0.5) -> np.ndarray:
    wave = amplitude * np.sin(2 * np.pi * hertz * np.arange(int(RATE * seconds)) / RATE)
    return wave.astype(np.float32)


def available(acoustics: type[Acoustics]) -> Acoustics:
    pytest.importorskip({"praat": "parselmouth", "egemaps": "opensmile"}.get(acoustics.name, "numpy"))
    return acoustics()


@pytest.fixture(params=[AutocorrelationAcoustics, Praat, Egemaps], ids=lambda acoustics: acoustics.name)
def acoustics(request) -> Acoustics:
    return available(request.param)


def test_the_columns_are_those_that_are_promised(acoustics):
    measured = acoustics.measure(tone(200), RATE)
    assert tuple(measured) == acoustics.columns
    assert set(acoustics.columns) <= set(COLUMNS)
    assert all(isinstance(number, float) for number in measured.values())


@pytest.mark.parametrize("hertz", [110.0, 220.0, 330.0])
def test_pitch_counts_in_semitones_above_an_a(acoustics, hertz):
    wave = tone(hertz) + tone(2 * hertz, amplitude=0.2) + tone(3 * hertz, amplitude=0.1)
    measured = acoustics.measure(wave, RATE)
    assert measured["pitch_mean"] == pytest.approx(12 * np.log2(hertz / REFERENCE_HZ), abs=0.3)
    assert measured["pitch_std"] < 0.5


def test_ten_times_the_amplitude_is_twenty_decibels(acoustics):
    soft, loud = (acoustics.measure(tone(200, amplitude=amplitude), RATE) for amplitude in (0.05, 0.5))
    assert loud["intensity_mean"] - soft["intensity_mean"] == pytest.approx(20, abs=0.1)


@pytest.mark.parametrize("samples", [1, 100, 1600])
def test_what_cannot_be_measured_is_nan(acoustics, samples):
    measured = acoustics.measure(np.zeros(samples, np.float32), RATE)
    assert measured["duration"] == samples / RATE
    assert np.isnan(measured["pitch_mean"])
    assert np.isnan(measured["intensity_mean"])


def test_noise_has_no_pitch_but_intensity(acoustics):
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    measured = acoustics.measure(noise, RATE)
    assert np.isnan(measured["pitch_mean"]) or acoustics.name == "praat"
    assert np.isfinite(measured["intensity_mean"])


@pytest.mark.parametrize("kind", [Praat, Egemaps], ids=["praat", "egemaps"])
def test_an_irregular_voice_has_more_jitter_and_shimmer(kind):
    acoustics = available(kind)

    def voice(jitter: float, shimmer: float) -> np.ndarray:
        rng, wave, place = np.random.default_rng(1), np.zeros(2 * RATE), 0.0
        ring = np.exp(-np.arange(300) / 60) * np.cos(2 * np.pi * 600 * np.arange(300) / RATE)
        while place < len(wave) - 300:
            wave[int(place) : int(place) + 300] += ring * (1 + shimmer * rng.normal())
            place += RATE / 120 * (1 + jitter * rng.normal())
        return (0.3 * wave).astype(np.float32)

    regular, irregular = acoustics.measure(voice(0, 0), RATE), acoustics.measure(voice(0.02, 0.1), RATE)
    for quantity in ("jitter_mean", "jitter_std", "shimmer_mean", "shimmer_std"):
        assert irregular[quantity] > 1.5 * regular[quantity], quantity


def test_praats_mean_jitter_and_shimmer_are_praats():
    parselmouth = pytest.importorskip("parselmouth")
    call = pytest.importorskip("parselmouth.praat").call
    rng = np.random.default_rng(3)
    hertz = 150 * (1 + 0.02 * np.repeat(rng.normal(size=200), 160))
    loudness = 1 + 0.1 * np.repeat(rng.normal(size=200), 160)
    wave = (0.3 * loudness * np.sin(2 * np.pi * np.cumsum(hertz) / RATE)).astype(np.float32)
    measured = Praat().measure(wave, RATE)
    sound = parselmouth.Sound(wave.astype(float), RATE)
    pitch = sound.to_pitch_ac(time_step=0.01, pitch_floor=60, pitch_ceiling=600)
    pulses = call([sound, pitch], "To PointProcess (cc)")
    jitter = call(pulses, "Get jitter (local)", 0, 0, 1e-4, 0.02, 1.3)
    shimmer = call([sound, pulses], "Get shimmer (local_dB)", 0, 0, 1e-4, 0.02, 1.3, 1.6)
    assert measured["jitter_mean"] == pytest.approx(jitter, rel=1e-6)
    assert measured["shimmer_mean"] == pytest.approx(shimmer, rel=1e-6)


def test_intensity_of_a_tone_is_its_level_and_pauses_do_not_count():
    speech = tone(250, 1.0, 0.5)
    level = 10 * np.log10(0.5**2 / 2)
    own = AutocorrelationAcoustics()
    assert own.measure(speech, RATE)["intensity_mean"] == pytest.approx(level, abs=0.05)
    with_pause = np.concatenate([speech, np.zeros(RATE, np.float32)])
    assert own.measure(with_pause, RATE)["intensity_mean"] == pytest.approx(level, abs=0.3)
    louder_then_softer = np.concatenate([speech, 0.1 * speech])
    measured = own.measure(louder_then_softer, RATE)
    assert measured["intensity_mean"] == pytest.approx(level - 10, abs=0.3)
    assert measured["intensity_std"] == pytest.approx(10, abs=0.3)


@pytest.mark.parametrize(
    ("acoustics", "command", "licence"),
    [(Praat(), 'pip install "emoclap[praat]"', "GPL-3.0"), (Egemaps(), 'pip install "emoclap[opensmile]"', "research")],
)
def test_a_missing_package_is_named_with_command_and_licence(monkeypatch, acoustics, command, licence):
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(MissingExtra) as caught:
        acoustics.version  # noqa: B018
    assert caught.value.exit_code == 4
    assert command in str(caught.value)
    assert licence in str(caught.value)


def test_neither_package_is_imported_before_it_measures():
    program = (
        "import sys\n"
        "from datamodules.acoustics import Egemaps, AutocorrelationAcoustics, Praat\n"
        "for made in (Egemaps(), AutocorrelationAcoustics(), Praat()):\n"
        "    try:\n        made.version\n    except RuntimeError:\n        pass\n"
        "found = {'parselmouth', 'opensmile', 'torch'} & set(sys.modules)\n"
        "assert not found, found\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_research_licence_is_printed_once(capfd):
    from datamodules.acoustics import egemaps

    egemaps._print_licence.cache_clear()
    Egemaps().announce()
    Egemaps().announce()
    assert capfd.readouterr().err.count("commercial use needs a licence") == 1


def test_what_egemaps_takes_from_opensmile(monkeypatch):
    """By the names that openSMILE gives its functionals, and nothing where it writes its floor."""
    from datamodules.acoustics import egemaps

    found = {
        "equivalentSoundLevel_dBp": -20.0, "loudness_sma3_amean": 1.5, "loudness_sma3_stddevNorm": 0.4,
        "F0semitoneFrom27.5Hz_sma3nz_amean": 30.0, "F0semitoneFrom27.5Hz_sma3nz_stddevNorm": 0.1,
        "jitterLocal_sma3nz_amean": 0.02, "jitterLocal_sma3nz_stddevNorm": 0.5,
        "shimmerLocaldB_sma3nz_amean": 1.0, "shimmerLocaldB_sma3nz_stddevNorm": 0.25,
    }  # fmt: skip
    stands_in = SimpleNamespace(process_signal=lambda wave, rate: pd.DataFrame([found]))
    monkeypatch.setattr(egemaps, "_extractor", lambda: stands_in)
    measured = Egemaps().measure(np.zeros(RATE, np.float32), RATE)
    assert tuple(measured) == Egemaps.columns
    assert measured == pytest.approx(
        {
            "pitch_mean": 30.0, "pitch_std": 3.0, "intensity_mean": -20.0, "intensity_std": 0.4, "loudness_mean": 1.5,
            "jitter_mean": 0.02, "jitter_std": 0.01, "shimmer_mean": 1.0, "shimmer_std": 0.25, "duration": 1.0,
        }
    )  # fmt: skip
    found["equivalentSoundLevel_dBp"], found["F0semitoneFrom27.5Hz_sma3nz_amean"] = -120.0, 0.0
    silent = Egemaps().measure(np.zeros(RATE, np.float32), RATE)
    assert [name for name, number in silent.items() if not np.isnan(number)] == ["intensity_std", "duration"]
