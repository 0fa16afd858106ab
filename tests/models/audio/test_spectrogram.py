import numpy as np
import pytest
import torch
from torch import Tensor

from models.audio import LogMel
from models.audio.spectrogram import SpecAugment


def slaney_hz(mel: np.ndarray) -> np.ndarray:
    """Slaney's scale: linear to 1000 Hz (mel 15), then 27 mels for a factor of 6.4."""
    return np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))


def slaney_mel(hz: float) -> float:
    return hz * 3 / 200 if hz < 1000 else 15 + 27 * np.log(hz / 1000) / np.log(6.4)


def filters(rate: int, window: int, mels: int, fmin: float, fmax: float) -> np.ndarray:
    """Triangles of area 1 (in Hz), one column per band, float64."""
    edges = slaney_hz(np.linspace(slaney_mel(fmin), slaney_mel(fmax), mels + 2))
    hz = np.arange(window // 2 + 1) * rate / window
    bank = np.zeros((len(hz), mels))
    for band, (low, peak, high) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
        triangle = np.minimum((hz - low) / (peak - low), (high - hz) / (high - peak))
        bank[:, band] = np.maximum(triangle, 0) * 2 / (high - low)
    return bank


def reference(wave: np.ndarray, rate: int, window: int, hop: int, mels: int, fmin: float, fmax: float) -> np.ndarray:
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    padded = np.pad(wave, window // 2, mode="reflect")
    frames = [padded[i : i + window] * hann for i in range(0, len(padded) - window + 1, hop)]
    power = np.abs(np.fft.rfft(frames)) ** 2
    return 10 * np.log10(np.maximum(power @ filters(rate, window, mels, fmin, fmax), 1e-10)).T


def wave(samples: int, clips: int = 1) -> Tensor:
    """A tone, its fading and some noise, so that bands are loud and soft."""
    time = torch.arange(samples) / samples
    noise = torch.randn(clips, samples, generator=torch.Generator().manual_seed(0))
    return (0.3 * torch.sin(900 * time) + 0.2 * noise) * (1 - time)


FRONT_ENDS = {
    "panns 16k": (16000, 512, 160, 64, 50, 8000),
    "panns 32k": (32000, 1024, 320, 64, 50, 14000),
    "msclap": (44100, 1024, 320, 64, 50, 14000),
    "laion": (48000, 1024, 480, 64, 50, 14000),
}


@pytest.mark.parametrize("settings", FRONT_ENDS.values(), ids=FRONT_ENDS.keys())
def test_equals_reference(settings: tuple[int, int, int, int, float, float]) -> None:
    waves = wave(9000, clips=2)
    found = LogMel(*settings)(waves).double().numpy()
    for clip, decibels in zip(waves, found, strict=True):
        expected = reference(clip.double().numpy(), *settings)
        assert decibels.shape == expected.shape
        np.testing.assert_allclose(decibels, expected, atol=2e-3)  # decibels; float32 against float64


@pytest.mark.parametrize("settings", FRONT_ENDS.values(), ids=FRONT_ENDS.keys())
def test_filters_equal_reference(settings: tuple[int, int, int, int, float, float]) -> None:
    rate, window, _, mels, fmin, fmax = settings
    expected = filters(rate, window, mels, fmin, fmax)
    np.testing.assert_allclose(LogMel(*settings).filters_FM.numpy(), expected, atol=1e-4 * expected.max())


def test_silence_is_the_floor() -> None:
    assert (LogMel()(torch.zeros(1, 4000)) == -100).all()


def test_ten_times_louder_is_twenty_decibels() -> None:
    logmel, quiet = LogMel(), wave(8000) / 20
    torch.testing.assert_close(logmel(10 * quiet), logmel(quiet) + 20, atol=1e-3, rtol=0)


def test_adds_nothing_to_the_state() -> None:
    assert LogMel().state_dict() == {}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_hears_in_float32_inside_a_half_precision_model(dtype: torch.dtype) -> None:
    logmel, waves = LogMel(), wave(8000)
    expected = logmel(waves)
    with torch.autocast("cpu", dtype=dtype):
        assert torch.equal(logmel(waves), expected)
    assert torch.equal(torch.nn.Sequential(logmel).to(dtype)(waves), expected)


def test_bands_above_half_the_rate_are_refused() -> None:
    with pytest.raises(ValueError, match="14000 Hz do not fit under 8000 Hz"):
        LogMel(16000, 512, 160, 64, 50, 14000)


def test_too_short_a_wave_is_refused() -> None:
    with pytest.raises(ValueError, match="256 samples"):
        LogMel()(torch.zeros(1, 256))


MEL_NTM = torch.ones(400, 100, 64)


def blanked(augment: SpecAugment) -> torch.Tensor:
    torch.manual_seed(0)
    return augment(MEL_NTM) == 0


def test_evaluation_leaves_it_alone() -> None:
    assert torch.equal(SpecAugment().eval()(MEL_NTM), MEL_NTM)


def test_whole_frames_are_blanked_and_each_clip_differently() -> None:
    blank_NTM = blanked(SpecAugment(time_stripes=1, time_width=10, freq_stripes=0))
    blank_NT = blank_NTM.any(2)
    assert torch.equal(blank_NTM.all(2), blank_NT)
    widths = blank_NT.sum(1)
    assert set(widths.tolist()) == set(range(10))
    assert len({tuple(row.nonzero().flatten().tolist()) for row in blank_NT}) > 200
    runs = (blank_NT[:, 1:] & ~blank_NT[:, :-1]).sum(1) + blank_NT[:, 0]
    assert runs.max() == 1


def test_stripes_lie_anywhere_but_on_the_last_position() -> None:
    blank_NM = blanked(SpecAugment(time_stripes=0, freq_stripes=1, freq_width=60)).any(1)
    assert blank_NM.any(0).tolist() == [True] * 63 + [False]


def test_mean_width_and_two_stripes() -> None:
    one = blanked(SpecAugment(time_stripes=0, freq_stripes=1, freq_width=9)).any(1).sum(1).float()
    two = blanked(SpecAugment(time_stripes=0, freq_stripes=2, freq_width=9)).any(1).sum(1).float()
    assert abs(one.mean() - 4) < 0.4  # uniform on 0, ..., 8; four standard errors are 0.5
    assert two.max() > 8


def test_a_stripe_may_be_wider_than_the_clip_is_long() -> None:
    short = torch.ones(50, 5, 64)
    blank_NT = (SpecAugment(time_stripes=1, time_width=64, freq_stripes=0)(short) == 0).all(2)
    assert blank_NT.sum(1).max() <= 4
