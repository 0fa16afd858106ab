from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import ClapAudioConfig, ClapAudioModel, ClapConfig, ClapFeatureExtractor, ClapModel

from models.audio import Htsat
from models.audio.htsat import HtsatInput
from models.errors import WeightsError

AUDIO = {
    "spec_size": 64,
    "window_size": 4,
    "num_mel_bins": 16,
    "patch_size": 4,
    "patch_stride": [4, 4],
    "patch_embeds_hidden_size": 16,
    "hidden_size": 32,
    "depths": [1, 1],
    "num_attention_heads": [2, 2],
    "num_hidden_layers": 2,
    "projection_dim": 16,
    "mlp_ratio": 2.0,
}
TEXT = {
    "vocab_size": 100,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "projection_dim": 16,
    "max_position_embeddings": 40,
}
HEARS = HtsatInput(sample_rate=8000, window=256, hop=80, mels=16, fmin=50, fmax=4000, seconds=2)  # 201 frames of 256


def extractor(truncation: str = "rand_trunc", padding: str = "repeatpad") -> ClapFeatureExtractor:
    hears = {"frequency_min": 50, "frequency_max": 4000}
    return ClapFeatureExtractor(16, 8000, 80, 2, 256, **hears, truncation=truncation, padding=padding)


def clips(*samples: int) -> tuple[Tensor, Tensor, list[np.ndarray]]:
    """Padded waveforms, their lengths, and the same without padding."""
    generator = torch.Generator().manual_seed(0)
    waves = [0.1 * torch.randn(n, generator=generator) for n in samples]
    padded = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)
    return padded, torch.tensor(samples), [wave.numpy() for wave in waves]


@pytest.fixture(scope="module")
def tower() -> ClapAudioModel:
    torch.manual_seed(0)
    return ClapAudioModel(ClapAudioConfig(**AUDIO)).eval()


@pytest.fixture(scope="module")
def whole() -> ClapModel:
    torch.manual_seed(0)
    return ClapModel(ClapConfig(projection_dim=16, text_config=TEXT, audio_config=AUDIO)).eval()


def pooled(tower: ClapAudioModel, waves: list[np.ndarray], truncation: str, padding: str) -> Tensor:
    """What transformers itself makes of these clips."""
    features = extractor(truncation)(waves, sampling_rate=8000, padding=padding, return_tensors="pt")
    longer = torch.zeros(len(waves), 1, dtype=torch.bool)
    return tower(input_features=features["input_features"].float(), is_longer=longer).pooler_output


@pytest.mark.parametrize(("ours", "theirs"), [("zero", "pad"), ("repeatpad", "repeatpad")])
def test_equals_transformers_own_features(tower: ClapAudioModel, tmp_path: Path, ours: str, theirs: str) -> None:
    tower.save_pretrained(tmp_path)
    extractor().save_pretrained(tmp_path)
    encoder = Htsat(str(tmp_path), padding=ours).eval()
    wave_NT, length_N, waves = clips(3000, 9000, 16000)
    found = encoder(wave_NT, length_N)
    assert found.shape == (3, encoder.width) == (3, 32)
    torch.testing.assert_close(found, pooled(tower, waves, "rand_trunc", theirs), atol=1e-4, rtol=0)


def test_fusion_models_hear_four_equal_views_in_the_other_scale(tmp_path: Path) -> None:
    torch.manual_seed(0)
    fusion = ClapAudioModel(ClapAudioConfig(**AUDIO, enable_fusion=True, fusion_type="aff_2d")).eval()
    fusion.save_pretrained(tmp_path)
    extractor("fusion").save_pretrained(tmp_path)
    encoder = Htsat(str(tmp_path), padding="zero").eval()
    assert encoder.spectrogram.scale == "htk"
    wave_NT, length_N, waves = clips(9000, 16000)
    torch.testing.assert_close(encoder(wave_NT, length_N), pooled(fusion, waves, "fusion", "pad"), atol=1e-4, rtol=0)


def test_whole_model_and_tower_load_alike(whole: ClapModel, tmp_path: Path) -> None:
    whole.save_pretrained(tmp_path / "whole")
    whole.audio_model.save_pretrained(tmp_path / "tower")
    wave_NT, length_N, _ = clips(5000, 8000)
    outputs = []
    for folder in ("whole", "tower"):
        encoder = Htsat(str(tmp_path / folder), spectrogram=HEARS).eval()
        for name, tensor in whole.audio_model.state_dict().items():
            assert torch.equal(encoder.model.state_dict()[name], tensor), name
        outputs.append(encoder(wave_NT, length_N))
    assert torch.equal(*outputs)


def test_reads_what_the_checkpoint_hears(tower: ClapAudioModel, tmp_path: Path) -> None:
    tower.save_pretrained(tmp_path)
    assert Htsat(str(tmp_path)).spectrogram == HtsatInput()
    assert Htsat(str(tmp_path)).padding == Htsat(config=AUDIO, spectrogram=HEARS).padding == "repeatpad"
    extractor().save_pretrained(tmp_path)
    assert Htsat(str(tmp_path)).spectrogram == HEARS
    assert Htsat(str(tmp_path)).sample_rate == 8000
    for theirs, ours in (("pad", "zero"), ("repeat", "repeat"), ("repeatpad", "repeatpad")):
        extractor(padding=theirs).save_pretrained(tmp_path)
        assert Htsat(str(tmp_path)).padding == ours
    assert Htsat(str(tmp_path), padding="zero").padding == "zero"


def test_padding_and_what_lies_in_it_do_not_matter() -> None:
    encoder = Htsat(config=AUDIO, spectrogram=HEARS).eval()
    wave_NT, length_N, _ = clips(5000, 12000)
    alone = encoder(wave_NT[:1, :5000], length_N[:1])
    wave_NT[0, 5000:] = 1
    torch.testing.assert_close(encoder(wave_NT, length_N)[:1], alone, atol=1e-5, rtol=0)
    assert torch.equal(encoder(wave_NT, length_N), encoder(wave_NT, length_N))


def test_longer_clips_lose_their_end() -> None:
    encoder = Htsat(config=AUDIO, spectrogram=HEARS).eval()
    wave_NT, length_N, _ = clips(20000)
    assert torch.equal(encoder(wave_NT, length_N), encoder(wave_NT[:, :16000], torch.tensor([16000])))


@pytest.mark.parametrize("fusion", [{}, {"enable_fusion": True, "fusion_type": "aff_2d"}], ids=["plain", "fusion"])
def test_every_step_reaches_every_parameter_that_may_train(fusion: dict[str, object]) -> None:
    encoder = Htsat(config=AUDIO | fusion, spectrogram=HEARS)
    # Longer clips lose their end, so that nothing is ever fused.
    encoder(*clips(5000, 8000, 40000)[:2]).square().sum().backward()
    trained = [name for name, p in encoder.named_parameters() if p.requires_grad]
    assert len(trained) > 0.7 * len(list(encoder.parameters()))
    for name, parameter in encoder.named_parameters():
        assert parameter.requires_grad == (parameter.grad is not None), name
        assert parameter.grad is None or parameter.grad.isfinite().all()


def test_incomplete_weights_are_refused(tower: ClapAudioModel, tmp_path: Path) -> None:
    state = tower.state_dict()
    gone = "audio_encoder.norm.weight"
    del state[gone]
    tower.save_pretrained(tmp_path, state_dict=state)
    with pytest.raises(WeightsError, match=gone):
        Htsat(str(tmp_path))


@pytest.mark.parametrize("how", [{}, {"source": "x", "config": AUDIO}])
def test_takes_one_of_source_and_config(how: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="either source"):
        Htsat(**how)
