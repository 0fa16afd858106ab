from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

from models.audio import WhisperSpeechEncoder
from models.errors import WeightsError

SIZE = {
    "d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 4, "encoder_ffn_dim": 64, "num_mel_bins": 80,
    "max_source_positions": 50, "decoder_layers": 1, "decoder_attention_heads": 4, "decoder_ffn_dim": 64,
    "vocab_size": 60, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1,
}  # fmt: skip
SECOND = 16000  # 50 positions of 20 ms


@pytest.fixture(scope="module")
def whole() -> WhisperForConditionalGeneration:
    torch.manual_seed(0)
    return WhisperForConditionalGeneration(WhisperConfig(**SIZE)).eval()


@pytest.fixture(scope="module")
def folder(whole: WhisperForConditionalGeneration, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("whisper")
    whole.save_pretrained(made)
    return made


def clips(*samples: int) -> tuple[Tensor, Tensor, list[np.ndarray]]:
    """Noise that swells, in rows with junk for padding, their lengths, and the same without padding."""
    generator = torch.Generator().manual_seed(0)
    wave = torch.randn(len(samples), max(samples), generator=generator) * torch.linspace(0.001, 0.3, max(samples))
    return wave, torch.tensor(samples), [row[:n].numpy() for row, n in zip(wave, samples, strict=True)]


@pytest.mark.parametrize("mels", [80, 128])
def test_features_equal_those_of_transformers(tmp_path: Path, mels: int) -> None:
    WhisperForConditionalGeneration(WhisperConfig(**SIZE | {"num_mel_bins": mels})).save_pretrained(tmp_path)
    encoder = WhisperSpeechEncoder(str(tmp_path))
    wave, length, waves = clips(SECOND, 7000, 311, 20000)
    extractor = WhisperFeatureExtractor(feature_size=mels, chunk_length=1)
    expected = extractor(waves, sampling_rate=16000, return_tensors="pt")["input_features"]
    found = encoder.features(wave, length)
    assert found.shape == (4, mels, 100)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@torch.no_grad()
def test_mean_is_over_the_frames_that_the_clip_touches(folder: Path, whole: WhisperForConditionalGeneration) -> None:
    encoder = WhisperSpeechEncoder(str(folder)).eval()
    lengths = {SECOND: 50, 6400: 20, 6401: 21, 1: 1, 0: 1}
    wave, length, waves = clips(*lengths)
    features = WhisperFeatureExtractor(chunk_length=1)(
        [*waves[:-1], np.zeros(1, np.float32)], sampling_rate=16000, return_tensors="pt"
    )["input_features"]
    hidden = whole.model.encoder(features).last_hidden_state
    found = encoder(wave, length)
    for vector, states, frames in zip(found, hidden, lengths.values(), strict=True):
        torch.testing.assert_close(vector, states[:frames].mean(0), atol=1e-4, rtol=0)


@pytest.mark.parametrize("pooling", ["mean", "first", "attentive"])
@torch.no_grad()
def test_neither_batch_nor_padding_nor_order_changes_a_clip(folder: Path, pooling: str) -> None:
    encoder = WhisperSpeechEncoder(str(folder), pooling=pooling).eval()
    wave, length, _ = clips(9000, 4000, 150, 0)
    together = encoder(wave, length)
    assert together.shape == (4, encoder.width)
    assert together.isfinite().all()
    torch.testing.assert_close(encoder(wave.flip(0), length.flip(0)).flip(0), together, atol=1e-5, rtol=0)
    for i, samples in enumerate(length.tolist()):
        alone = encoder(wave[i : i + 1, :samples], length[i : i + 1])[0]
        torch.testing.assert_close(alone, together[i], atol=1e-5, rtol=0)
    silent = wave.where(torch.arange(9000) < length[:, None], 0.0)
    assert torch.equal(encoder(silent, length), together)


@torch.no_grad()
def test_longer_clips_lose_their_end(folder: Path) -> None:
    encoder = WhisperSpeechEncoder(str(folder)).eval()
    wave, length, _ = clips(SECOND + 5000)
    assert torch.equal(encoder(wave, length), encoder(wave[:, :SECOND], torch.tensor([SECOND])))


def test_whole_model_and_encoder_load_alike(
    whole: WhisperForConditionalGeneration, folder: Path, tmp_path: Path
) -> None:
    whole.model.encoder.save_pretrained(tmp_path / "encoder")
    whole.model.save_pretrained(tmp_path / "model")
    for source in (folder, tmp_path / "encoder", tmp_path / "model"):
        found = WhisperSpeechEncoder(str(source)).model.state_dict()
        for name, tensor in whole.model.encoder.state_dict().items():
            assert torch.equal(found[name], tensor), (source, name)


def test_incomplete_weights_are_refused(whole: WhisperForConditionalGeneration, tmp_path: Path) -> None:
    state = whole.state_dict()
    del state["model.encoder.layers.1.fc1.weight"]
    whole.save_pretrained(tmp_path, state_dict=state)
    with pytest.raises(WeightsError, match=r"lacks tensors of a WhisperEncoder: layers\.1\.fc1\.weight"):
        WhisperSpeechEncoder(str(tmp_path))


def test_frozen_rests_and_training_reaches_every_weight_but_the_fixed_positions(folder: Path) -> None:
    encoder = WhisperSpeechEncoder(str(folder), pooling="attentive")
    wave, length, _ = clips(9000, 4000)
    encoder(wave, length).square().sum().backward()
    without = {name for name, p in encoder.named_parameters() if p.grad is None}
    assert without == {"model.embed_positions.weight"}
    encoder.requires_grad_(False).eval()
    assert torch.equal(encoder(wave, length), encoder(wave, length))


def test_every_step_reaches_every_parameter(tmp_path: Path) -> None:
    config = WhisperConfig(**SIZE, encoder_layerdrop=0.9)
    WhisperForConditionalGeneration(config).save_pretrained(tmp_path)
    encoder = WhisperSpeechEncoder(str(tmp_path))
    assert encoder.training
    for _ in range(5):
        encoder.zero_grad()
        encoder(*clips(SECOND, 7000)[:2]).square().sum().backward()
        assert not [name for name, p in encoder.named_parameters() if p.requires_grad and p.grad is None]
