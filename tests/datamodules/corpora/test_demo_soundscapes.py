"""Each soundscape leaves its acoustic mark and stays within bounds."""

import numpy as np
import pytest

from datamodules.corpora.demo.soundscapes import SEEN, UNSEEN, add_soundscape
from datamodules.corpora.demo.speech import SAMPLE_RATE, SPEECH_LEVEL

ALL = (*SEEN, *UNSEEN)


def tone_burst():
    """Half a second of a 1 kHz tone at the level of neutral speech, then as much silence."""
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    return np.sin(2.0 * np.pi * 1000.0 * time) * (time < 0.5) * 10.0 ** (SPEECH_LEVEL / 20.0) * np.sqrt(2.0)


def heard(name, seed=0):
    crowd = np.random.default_rng(9).normal(size=SAMPLE_RATE)
    return add_soundscape(tone_burst(), name, np.random.default_rng(seed), lambda samples: crowd[:samples])


def level(x_T):
    return 10.0 * np.log10(np.mean(x_T**2))


def share(x_T, low, high):
    power, hertz = np.abs(np.fft.rfft(x_T)) ** 2, np.fft.rfftfreq(x_T.size, 1.0 / SAMPLE_RATE)
    return power[(hertz >= low) & (hertz < high)].sum() / power.sum()


@pytest.mark.parametrize("name", ALL)
def test_is_finite_reproducible_and_as_long(name):
    y_T = heard(name)
    assert y_T.shape == (SAMPLE_RATE,)
    assert np.isfinite(y_T).all()
    assert np.abs(y_T).max() < 1.0
    np.testing.assert_array_equal(y_T, heard(name))
    assert (y_T != heard(name, seed=1)).any()


@pytest.mark.parametrize("name", [name for name in ALL if name != "clean studio"])
def test_leaves_more_in_the_pauses_than_a_studio(name):
    pause = slice(SAMPLE_RATE // 2 + 800, None)
    assert level(heard(name)[pause]) > level(heard("clean studio")[pause]) + 5.0


def test_a_hall_rings_longer_than_a_room():
    late = slice(int(0.8 * SAMPLE_RATE), None)
    assert level(heard("large hall reverb")[late]) > level(heard("small room reverb")[late]) + 6.0


def test_wind_and_car_are_low_and_rain_is_high():
    pause = slice(SAMPLE_RATE // 2 + 800, None)
    assert share(heard("wind")[pause], 0, 500) > 0.9
    assert share(heard("car interior")[pause], 0, 500) > 0.9
    assert share(heard("rain")[pause], 1500, 8000) > 0.8


def test_telephone_keeps_its_band():
    x_T = np.random.default_rng(0).normal(0.0, 0.05, SAMPLE_RATE)
    y_T = add_soundscape(x_T, "telephone band", np.random.default_rng(0), np.zeros)
    assert share(x_T, 250, 3800) < 0.5
    assert share(y_T, 250, 3800) > 0.9


def test_unknown_soundscape_is_named():
    with pytest.raises(ValueError, match="unknown soundscape 'moon'"):
        add_soundscape(tone_burst(), "moon", np.random.default_rng(0), np.zeros)
