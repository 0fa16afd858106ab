import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import Wav2Vec2Config, WavLMConfig, WavLMModel

from models.errors import WeightsError
from models.released import OdysseyWavlm

SIZE = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 32,
    "conv_dim": (16, 16, 16), "conv_stride": (5, 4, 4), "conv_kernel": (10, 8, 4), "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4, "mask_time_length": 4,
    "feat_extract_norm": "layer", "do_stable_layer_norm": True,
}  # fmt: skip
MEAN, STD = -0.00012, 0.0784
POOLINGS = ("attentive", "attentive_mean", "head", "mean")


class Released(nn.Module):
    """The challenge's baseline under its own names, one clip at a time and in float64 behind the WavLM."""

    def __init__(self) -> None:
        super().__init__()
        self.ssl_model = WavLMModel(WavLMConfig(**SIZE))
        self.pool_model = nn.Module()
        self.pool_model.sap_linear = nn.Linear(16, 16)
        self.pool_model.attention = nn.Parameter(torch.randn(16, 1))
        self.ser_model = nn.Module()
        self.ser_model.fc = nn.ModuleList([nn.Sequential(nn.Linear(32, 16), nn.LayerNorm(16), nn.ReLU())])
        self.ser_model.out = nn.Sequential(nn.Linear(16, 3))
        nn.init.normal_(self.ser_model.fc[0][1].weight)
        nn.init.normal_(self.ser_model.fc[0][1].bias)

    def forward(self, wave: Tensor) -> dict[str, Tensor]:
        frames = self.ssl_model(((wave - MEAN) / (STD + 1e-6))[None]).last_hidden_state[0].double()
        w = {name: tensor.double() for name, tensor in self.state_dict().items()}
        scores = [
            float(
                (w["pool_model.sap_linear.weight"] @ x + w["pool_model.sap_linear.bias"]).tanh()
                @ w["pool_model.attention"]
            )
            for x in frames
        ]
        weights = torch.tensor([math.exp(score) for score in scores], dtype=torch.float64)
        weights /= weights.sum()
        mean = sum(a * x for a, x in zip(weights, frames, strict=True))
        spread = (sum(a * x**2 for a, x in zip(weights, frames, strict=True)) - mean**2).clamp(min=1e-5).sqrt()
        both = torch.cat([mean, spread])
        x = w["ser_model.fc.0.0.weight"] @ both + w["ser_model.fc.0.0.bias"]
        x = (x - x.mean()) / (x.var(correction=0) + 1e-5).sqrt()
        head = (x * w["ser_model.fc.0.1.weight"] + w["ser_model.fc.0.1.bias"]).clamp(min=0)
        attributes = w["ser_model.out.0.weight"] @ head + w["ser_model.out.0.bias"]
        return {
            "attentive": both, "attentive_mean": mean, "head": head, "mean": frames.mean(0), "attributes": attributes,
        }  # fmt: skip


@pytest.fixture(scope="module")
def released() -> Released:
    torch.manual_seed(0)
    return Released().eval()


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("backbone")
    WavLMConfig(**SIZE).save_pretrained(made)
    return made


def save(state: dict[str, Tensor], made: Path, **config: object) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, made / "model.safetensors")
    known = {"model_type": "ser", "mean": MEAN, "std": STD, "hidden_size": 16, "num_classes": 3}
    (made / "config.json").write_text(json.dumps(known | config))
    return made


@pytest.fixture(scope="module")
def folder(released: Released, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(released.state_dict(), tmp_path_factory.mktemp("odyssey"))


def clips(*samples: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return 0.1 * torch.randn(len(samples), max(samples), generator=generator), torch.tensor(samples)


@pytest.mark.parametrize("pooling", POOLINGS)
@torch.no_grad()
def test_every_reading_of_the_paper_is_the_release_s(
    released: Released, folder: Path, backbone: Path, pooling: str
) -> None:
    encoder = OdysseyWavlm(str(folder), pooling=pooling, backbone=str(backbone)).eval()
    wave, length = clips(4000, 2500, 333)
    found = encoder(wave, length)
    assert found.shape == (3, encoder.width) == (3, 32 if pooling == "attentive" else 16)
    for i, samples in enumerate(length.tolist()):
        torch.testing.assert_close(found[i].double(), released(wave[i, :samples])[pooling], atol=1e-5, rtol=0)


@torch.no_grad()
def test_attributes_are_those_of_the_release(released: Released, folder: Path, backbone: Path) -> None:
    encoder = OdysseyWavlm(str(folder), backbone=str(backbone)).eval()
    wave, length = clips(4000, 2500)
    found = encoder.attributes(wave, length)
    for i, samples in enumerate(length.tolist()):
        torch.testing.assert_close(found[i].double(), released(wave[i, :samples])["attributes"], atol=1e-5, rtol=0)


@torch.no_grad()
def test_either_version_of_the_names_loads(released: Released, folder: Path, backbone: Path, tmp_path: Path) -> None:
    older = {}
    for name, tensor in released.state_dict().items():
        renamed = name.replace("parametrizations.weight.original0", "weight_g")
        older[renamed.replace("parametrizations.weight.original1", "weight_v")] = tensor
    del older["ssl_model.masked_spec_embed"]
    save(older, tmp_path)
    outputs = [OdysseyWavlm(str(path), backbone=str(backbone)).eval()(*clips(2000)) for path in (folder, tmp_path)]
    assert torch.equal(*outputs)


@torch.no_grad()
def test_padding_order_and_silence(folder: Path, backbone: Path) -> None:
    encoder = OdysseyWavlm(str(folder), backbone=str(backbone)).eval()
    wave, length = clips(3000, 1000, 40, 0)
    together = encoder(wave, length)
    assert together.isfinite().all()
    torch.testing.assert_close(encoder(wave.flip(0), length.flip(0)).flip(0), together, atol=1e-5, rtol=0)
    silent = wave.where(torch.arange(3000) < length[:, None], 0.0)
    assert torch.equal(encoder(silent, length), together)
    assert torch.equal(encoder(wave, length), together)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_all_that_may_train_has_a_gradient(folder: Path, backbone: Path, pooling: str) -> None:
    encoder = OdysseyWavlm(str(folder), pooling=pooling, backbone=str(backbone))
    assert encoder.training
    for _ in range(5):
        encoder.zero_grad()
        encoder(*clips(3000, 2000)).square().sum().backward()
        assert not [name for name, p in encoder.named_parameters() if p.requires_grad and p.grad is None]


def test_weights_that_do_not_fit_are_refused(released: Released, backbone: Path, tmp_path: Path) -> None:
    state = dict(released.state_dict())
    del state["pool_model.attention"]
    state["ser_model.fc.1.0.weight"] = torch.zeros(16, 16)
    with pytest.raises(WeightsError) as caught:
        OdysseyWavlm(str(save(state, tmp_path)), backbone=str(backbone))
    assert "1 missing from the file: statistics.attention" in str(caught.value)
    assert "1 without a place in the model: ser_model.fc.1.0.weight" in str(caught.value)
    assert caught.value.exit_code == 4


def test_other_releases_are_refused(released: Released, backbone: Path, tmp_path: Path) -> None:
    save(released.state_dict(), tmp_path)
    (tmp_path / "config.json").write_text('{"hidden_size": 16, "mean": 0.0}')
    with pytest.raises(WeightsError, match=r"its config\.json has no std"):
        OdysseyWavlm(str(tmp_path), backbone=str(backbone))


def test_the_backbone_must_be_a_wavlm(folder: Path, tmp_path: Path) -> None:
    Wav2Vec2Config(**SIZE).save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="is a wav2vec2 model; set backbone to microsoft/wavlm-large"):
        OdysseyWavlm(str(folder), backbone=str(tmp_path))


def test_checkpoint_round_trip(folder: Path, backbone: Path) -> None:
    first, second = (OdysseyWavlm(str(folder), backbone=str(backbone)).eval() for _ in range(2))
    nn.init.normal_(second.statistics.linear.weight)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(*clips(900)), second(*clips(900)))
