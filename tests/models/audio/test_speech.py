import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import (
    AutoModel,
    BertConfig,
    BertModel,
    HubertConfig,
    HubertModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
)

from lightning_app.callbacks.numerics import wrong_convolution
from models.audio import SpeechEncoder, SpeechTower
from models.errors import WeightsError

SIZE = {
    "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64,
    "conv_dim": (16, 16, 16), "conv_stride": (5, 4, 4), "conv_kernel": (10, 8, 4), "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4, "mask_time_length": 4,
}  # fmt: skip
LAYER = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
MODELS = {
    "wav2vec2": (Wav2Vec2Config, Wav2Vec2Model, LAYER),
    "wavlm": (WavLMConfig, WavLMModel, LAYER),
    "hubert": (HubertConfig, HubertModel, LAYER),
    "wav2vec2_base": (Wav2Vec2Config, Wav2Vec2Model, {"feat_extract_norm": "group"}),
    "wavlm_base": (WavLMConfig, WavLMModel, {"feat_extract_norm": "group"}),
}
FIRST_FRAME = 10 + 5 * (8 - 1) + 20 * (4 - 1)  # 105 samples; every 80 more make another frame


@pytest.fixture(scope="module", params=MODELS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def wav2vec2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save("wav2vec2", tmp_path_factory.mktemp("plain"))


def save(name: str, made: Path) -> Path:
    config, model, kind = MODELS[name]
    torch.manual_seed(0)
    model(config(**SIZE, **kind)).save_pretrained(made)
    return made


def clips(*samples: int) -> tuple[Tensor, Tensor]:
    """Noise as loud as speech, off zero, with junk for padding."""
    generator = torch.Generator().manual_seed(0)
    wave = 0.02 + 0.1 * torch.randn(len(samples), max(samples), generator=generator)
    return wave, torch.tensor(samples)


@pytest.mark.parametrize(("pooling", "normalize"), [("mean", "none"), ("attentive", "clip")])
@torch.no_grad()
def test_a_batch_equals_its_clips_one_by_one(folder: Path, pooling: str, normalize: str) -> None:
    encoder = SpeechEncoder(str(folder), pooling=pooling, normalize=normalize).eval()
    wave, length = clips(4000, 2500, 3333, 60, 0)
    together = encoder(wave, length)
    assert together.shape == (5, encoder.width)
    assert together.isfinite().all()
    for i, samples in enumerate(length.tolist()):
        alone = encoder(wave[i : i + 1, :samples], length[i : i + 1])[0]
        torch.testing.assert_close(alone, together[i], atol=1e-5, rtol=0)


@pytest.mark.parametrize("normalize", ["none", "clip", "scalar"])
@torch.no_grad()
def test_neither_padding_nor_order_changes_a_clip(folder: Path, normalize: str) -> None:
    numbers = {"mean": 0.01, "std": 0.2} if normalize == "scalar" else {}
    encoder = SpeechEncoder(str(folder), normalize=normalize, **numbers).eval()
    wave, length = clips(4000, 2500, 90)
    expected = encoder(wave, length)
    silent = wave.where(torch.arange(4000) < length[:, None], 0.0)
    assert torch.equal(encoder(silent, length), expected)
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(encoder(wave[order], length[order]), expected[order], atol=1e-5, rtol=0)
    longer = torch.cat([wave, torch.full((3, 1700), 9.0)], dim=1)
    torch.testing.assert_close(encoder(longer, length), expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_mean_is_over_the_frames_that_transformers_makes_of_the_clip_alone(folder: Path) -> None:
    whole = AutoModel.from_pretrained(folder).eval()
    wave, length = clips(4000, 2500)
    found = SpeechEncoder(str(folder)).eval()(wave, length)
    for i, samples in enumerate(length.tolist()):
        expected = whole(wave[i : i + 1, :samples]).last_hidden_state.mean(1)[0]
        torch.testing.assert_close(found[i], expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_mask_follows_from_true_lengths(folder: Path) -> None:
    tower = SpeechEncoder(str(folder)).eval().tower
    lengths = [4000, FIRST_FRAME, FIRST_FRAME + 79, FIRST_FRAME + 80, 1, 0]
    wave, length = clips(*lengths)
    hidden, mask = tower(wave, length)
    assert hidden.shape == (6, 49, 32)
    assert mask.sum(1).tolist() == [49, 1, 1, 2, 1, 1]
    assert mask[:, 0].all()


@torch.no_grad()
def test_clip_normalisation_is_that_of_transformers(wav2vec2: Path) -> None:
    tower = SpeechEncoder(str(wav2vec2), normalize="clip").tower
    wave, length = clips(3000, 2000)
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)
    waves = [wave[i, :n].numpy() for i, n in enumerate(length.tolist())]
    expected = extractor(waves, sampling_rate=16000, padding=True, return_tensors="pt")["input_values"]
    torch.testing.assert_close(tower._level(wave, length), expected, atol=1e-5, rtol=0)


def test_scalar_normalisation_is_that_of_numbers(wav2vec2: Path) -> None:
    tower = SpeechEncoder(str(wav2vec2), normalize="scalar", mean=-0.5, std=0.25).tower
    wave, length = clips(5, 2)
    expected = np.zeros((2, 5))
    for i, samples in enumerate(length.tolist()):
        expected[i, :samples] = (wave[i, :samples].double().numpy() + 0.5) / (0.25 + 1e-6)
    np.testing.assert_allclose(tower._level(wave, length).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("numbers", [{}, {"mean": 0.0}, {"mean": 0.0, "std": 0.0}])
def test_scalar_normalisation_needs_its_numbers(wav2vec2: Path, numbers: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="normalize: scalar takes mean and std"):
        SpeechEncoder(str(wav2vec2), normalize="scalar", **numbers)


def test_numbers_without_scalar_are_refused(wav2vec2: Path) -> None:
    with pytest.raises(ValueError, match="no other choice does"):
        SpeechEncoder(str(wav2vec2), normalize="clip", mean=0.0, std=1.0)


@pytest.mark.parametrize("layer", [1, 2])
@torch.no_grad()
def test_layer_is_the_hidden_state_of_that_number(folder: Path, layer: int) -> None:
    wave, length = clips(2000)
    states = AutoModel.from_pretrained(folder).eval()(wave, output_hidden_states=True).hidden_states
    hidden, _ = SpeechEncoder(str(folder), layer=layer).eval().tower(wave, length)
    torch.testing.assert_close(hidden, states[layer], atol=1e-6, rtol=0)


@pytest.mark.parametrize("layer", [0, 4])
def test_there_must_be_such_a_layer(wav2vec2: Path, layer: int) -> None:
    with pytest.raises(ValueError, match=f"layer is {layer}, and the model has 3; set it from 1 to 3"):
        SpeechEncoder(str(wav2vec2), layer=layer)


def test_a_frozen_tower_rests_bit_by_bit(folder: Path) -> None:
    encoder = SpeechEncoder(str(folder)).requires_grad_(False).eval()
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    wave, length = clips(3000, 2000)
    first, second = encoder(wave, length), encoder(wave, length)
    assert torch.equal(first, second)
    assert not first.requires_grad
    assert all(torch.equal(tensor, before[name]) for name, tensor in encoder.state_dict().items())


def test_trains_on_short_clips_and_without_a_warning(folder: Path) -> None:
    encoder = SpeechEncoder(str(folder), pooling="attentive")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder(*clips(200, 150, 3)).square().sum().backward()
    gradients = [p.grad for p in encoder.parameters() if p.grad is not None]
    assert len(gradients) > 0.5 * len(list(encoder.parameters()))
    assert all(gradient.isfinite().all() for gradient in gradients)


@torch.no_grad()
def test_heads_stay_on_disk(wav2vec2: Path, tmp_path: Path) -> None:
    plain = SpeechEncoder(str(wav2vec2)).eval()
    whole = Wav2Vec2ForCTC(Wav2Vec2Config(**SIZE, **LAYER, vocab_size=7))
    whole.wav2vec2.load_state_dict(plain.tower.model.state_dict())
    whole.save_pretrained(tmp_path)
    assert torch.equal(SpeechEncoder(str(tmp_path)).eval()(*clips(1500)), plain(*clips(1500)))


def test_incomplete_weights_are_refused_but_for_what_training_alone_reads(tmp_path: Path) -> None:
    model = Wav2Vec2Model(Wav2Vec2Config(**SIZE, **LAYER))
    state = {name: tensor for name, tensor in model.state_dict().items() if name != "masked_spec_embed"}
    model.save_pretrained(tmp_path, state_dict=dict(state))
    SpeechEncoder(str(tmp_path))
    del state["encoder.layers.1.attention.k_proj.weight"]
    model.save_pretrained(tmp_path, state_dict=state)
    with pytest.raises(WeightsError, match=r"lacks tensors .*encoder\.layers\.1\.attention\.k_proj\.weight"):
        SpeechEncoder(str(tmp_path))


def test_other_models_are_refused_by_name(tmp_path: Path) -> None:
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=50, **size)).save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="is a bert model, expected one of wav2vec2, wavlm, hubert") as caught:
        SpeechEncoder(str(tmp_path))
    assert caught.value.exit_code == 4
    with pytest.raises(WeightsError, match=r"/nowhere: no such folder"):
        SpeechEncoder("/nowhere")


def test_code_that_comes_with_weights_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "ser", "auto_map": {"AutoModel": "run.Model"}}')
    (tmp_path / "run.py").write_text("raise SystemExit('ran')")
    with pytest.raises(WeightsError, match="cannot be loaded"):
        SpeechEncoder(str(tmp_path))


@torch.no_grad()
def test_half_precision_hears_in_float32(wav2vec2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As a run does at its start: on processors with AMX, oneDNN convolves wrongly in bfloat16.
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", wrong_convolution(F.conv1d) is None)
    encoder = SpeechEncoder(str(wav2vec2), normalize="clip").eval()
    wave, length = clips(3000, 2000)
    expected = encoder(wave, length)
    half = encoder.bfloat16()(wave, length)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), expected, atol=0.1, rtol=0)


def test_a_tower_around_a_model_is_what_the_encoder_pools(wav2vec2: Path) -> None:
    encoder = SpeechEncoder(str(wav2vec2)).eval()
    hidden, mask = SpeechTower(encoder.tower.model)(*clips(1000, 800))
    torch.testing.assert_close(hidden[1][mask[1]].mean(0), encoder(*clips(1000, 800))[1], atol=1e-6, rtol=0)


MASKS = {"time": (0.05, 0.0), "features": (0.0, 0.05), "none": (0.0, 0.0)}
# transformers 5.23 cannot blank features of a WavLM: its configuration lacks mask_feature_min_masks.
MASKED = [(name, masks) for name in MODELS for masks in MASKS if not (masks == "features" and "wavlm" in name)]


@pytest.mark.parametrize(("name", "masks"), MASKED)
def test_every_step_reaches_every_parameter(name: str, masks: str, tmp_path: Path) -> None:
    """Whatever the release says of dropped layers: DistributedDataParallel waits for each gradient in each step."""
    config, model, kind = MODELS[name]
    time, features = MASKS[masks]
    rates = {"layerdrop": 0.7, "mask_time_prob": time, "mask_feature_prob": features, "mask_feature_length": 4}
    model(config(**SIZE, **kind, **rates)).save_pretrained(tmp_path)
    encoder = SpeechEncoder(str(tmp_path))
    assert encoder.training
    for _ in range(5):
        encoder.zero_grad()
        encoder(*clips(4000, 2500)).square().sum().backward()
        assert not [name for name, p in encoder.named_parameters() if p.requires_grad and p.grad is None]
