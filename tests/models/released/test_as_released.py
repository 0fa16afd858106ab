"""The shipped encoder files feed a short clip to a released model as its release does."""

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor
from transformers import ClapAudioConfig, ClapAudioModel, ClapFeatureExtractor

from datamodules.audio.reading import AudioSegment, read_crop
from datamodules.clips.dataset import AudioReading
from lightning_app.config.files import resolve

AUDIO = Path(__file__).parents[3] / "configs" / "audio"
TINY = {
    "patch_embeds_hidden_size": 16,
    "hidden_size": 32,
    "depths": [1, 1],
    "num_attention_heads": [2, 2],
    "num_hidden_layers": 2,
    "mlp_ratio": 1.0,
}
# What follows a clip, by the published code or preprocessor_config.json; null is what the latter says.
PADDING = {
    "htsat_laion": None,  # laion/clap-htsat-unfused: repeatpad
    "htsat_base": "repeatpad",  # LAION-CLAP, training/data.py
    "cnn14_msclap": "repeat",  # msclap, CLAPWrapper.load_audio_into_tensor
    "htsat_msclap": "repeat",
    "cnn14": "zero",  # PANNs, pad_or_truncate
    "narrow_cnn14": "zero",
}


def audio_of(name: str) -> dict[str, Any]:
    return resolve(AUDIO / f"{name}.yaml")


def build(name: str, **instead: Any) -> torch.nn.Module:
    """The audio tower of a shipped file, with some arguments exchanged."""
    audio = audio_of(name)
    module, _, kind = audio["class_path"].rpartition(".")
    given = {**audio["init_args"], **instead}
    if isinstance(given.get("spectrogram"), dict):
        given["spectrogram"] = import_module("models.audio.htsat").HtsatInput(**given["spectrogram"])
    torch.manual_seed(0)
    return getattr(import_module(module), kind)(**given).eval()


def heard(rate: int, folder: Path) -> tuple[Tensor, Tensor, np.ndarray]:
    """Two seconds of noise as the data of a test hand them on, their length, and the noise itself."""
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 2 * rate).astype(np.float32)
    soundfile.write(folder / "noise.wav", noise, rate, subtype="FLOAT")
    wave, length = read_crop(AudioSegment(str(folder / "noise.wav")), AudioReading().at(rate))
    assert len(wave) == 5 * rate
    return torch.from_numpy(wave)[None], torch.tensor([length]), noise


def tiled(noise: np.ndarray, samples: int) -> Tensor:
    """The clip again and again, cut at the end."""
    written = np.concatenate([noise] * (samples // len(noise) + 1))
    return torch.from_numpy(written[:samples])[None]


@pytest.mark.parametrize(
    ("name", "released"),
    [
        ("htsat_laion", "repeatpad"),
        ("htsat_laion", "pad"),
        ("htsat_laion", "repeat"),
        # Its file has no preprocessor_config.json; LAION's code repeats.
        ("htsat_base", "repeatpad"),
    ],
)
@torch.no_grad()
def test_laions_clips_equal_the_published_pipelines(name: str, released: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    tower = ClapAudioModel(ClapAudioConfig(**TINY)).eval()
    extractor = ClapFeatureExtractor(frequency_min=50, frequency_max=14000, truncation="rand_trunc", padding=released)
    tower.save_pretrained(tmp_path)
    extractor.save_pretrained(tmp_path)
    if name == "htsat_laion":
        encoder = build(name, source=str(tmp_path))
    else:
        encoder = build(name, config=TINY)
        encoder.model.load_state_dict(tower.state_dict())
    wave_NT, length_N, noise = heard(48000, tmp_path)
    features = extractor([noise], sampling_rate=48000, return_tensors="pt")["input_features"].float()
    expected = tower(input_features=features, is_longer=torch.zeros(1, 1, dtype=torch.bool)).pooler_output
    torch.testing.assert_close(encoder(wave_NT, length_N), expected, atol=1e-4, rtol=0)
    # The check means something: another padding is heard.
    other = build(name, padding="zero" if released != "pad" else "repeat", **_same(name, tmp_path))
    other.model.load_state_dict(tower.state_dict())
    assert (other(wave_NT, length_N) - expected).abs().max() > 1e-3


def _same(name: str, folder: Path) -> dict[str, Any]:
    return {"source": str(folder)} if name == "htsat_laion" else {"config": TINY}


@pytest.mark.parametrize(
    ("name", "seconds", "instead"),
    [("cnn14_msclap", 5, {"width_multiplier": 0.03125}), ("htsat_msclap", 7, {"config": TINY})],
)
@torch.no_grad()
def test_microsofts_clips_are_tiled_to_full_length(name: str, seconds: int, instead: Any, tmp_path: Path) -> None:
    encoder, silent = build(name, **instead), build(name, padding="zero", **instead)
    wave_NT, length_N, noise = heard(44100, tmp_path)
    full_NT = tiled(noise, seconds * 44100)
    expected = silent(full_NT, torch.tensor([full_NT.shape[1]]))
    assert torch.equal(encoder(wave_NT, length_N), expected)
    assert (silent(wave_NT, length_N) - expected).abs().max() > 1e-3


def test_every_file_with_a_padding_is_in_the_table() -> None:
    found = {}
    for file in AUDIO.glob("*.yaml"):
        audio = resolve(file)
        module, _, kind = audio["class_path"].rpartition(".")
        accepted = inspect.signature(getattr(import_module(module), kind)).parameters
        if "padding" in accepted:
            found[file.stem] = audio.get("init_args", {}).get("padding", accepted["padding"].default)
    assert found == PADDING


def test_microsofts_cnn14_blanks_nothing_in_training() -> None:
    assert isinstance(build("cnn14_msclap", width_multiplier=0.03125).augment, torch.nn.Identity)
