"""Pitch tracking and replacement on signals whose pitch is known."""

import numpy as np
import pytest

from datamodules.corpora.demo.pitch import HOP, replace_f0, track_f0

RATE = 16_000


def pulses(f0, seconds=1.0):
    """A voiced sound: harmonics of f0 up to 4 kHz that fall by 6 dB per octave."""
    time = np.arange(int(seconds * RATE)) / RATE
    return sum(np.cos(2.0 * np.pi * order * f0 * time) / order for order in range(1, int(4000 / f0)))


def regular():
    return 1.0, 1.0


@pytest.mark.parametrize("f0", [85.0, 120.0, 210.0, 380.0])
def test_tracks_a_steady_pitch(f0):
    tracked = track_f0(pulses(f0), RATE)[5:-5]
    assert tracked == pytest.approx(np.full(tracked.size, f0), rel=0.01)


def test_noise_and_silence_are_unvoiced():
    noise = np.random.default_rng(0).normal(size=RATE)
    assert (track_f0(noise, RATE) > 0).mean() < 0.02
    assert not track_f0(np.zeros(RATE), RATE).any()


@pytest.mark.parametrize("ratio", [0.7, 1.0, 1.5])
def test_replaced_pitch_is_the_target(ratio):
    x_T = pulses(150.0)
    f0 = track_f0(x_T, RATE)
    y_T = replace_f0(x_T, f0, np.full(f0.size, 150.0 * ratio), RATE, regular)
    assert y_T.size == x_T.size
    found = track_f0(y_T, RATE)[8:-8]
    assert np.median(found) == pytest.approx(150.0 * ratio, rel=0.01)


def test_follows_a_contour():
    x_T = pulses(150.0)
    f0 = track_f0(x_T, RATE)
    target = np.linspace(120.0, 200.0, f0.size)
    found = track_f0(replace_f0(x_T, f0, target, RATE, regular), RATE)
    middle = slice(10, -10)
    assert found[middle] == pytest.approx(target[middle], rel=0.03)


def test_unvoiced_sound_is_left_alone():
    noise = np.random.default_rng(0).normal(size=RATE)
    silent_track = np.zeros(RATE // HOP + 1)
    np.testing.assert_array_equal(replace_f0(noise, silent_track, silent_track + 100.0, RATE, regular), noise)
