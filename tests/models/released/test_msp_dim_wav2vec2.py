import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

from models.audio import SpeechEncoder
from models.errors import WeightsError
from models.released import MspDimWav2vec2

SIZE = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
    "conv_dim": (16, 16, 16), "conv_stride": (5, 4, 4), "conv_kernel": (10, 8, 4), "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4, "mask_time_length": 4,
    "feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True,
}  # fmt: skip


class Released(nn.Module):
    """The release's own arrangement, one clip at a time: mean over frames, dense, tanh, projection."""

    def __init__(self) -> None:
        super().__init__()
        self.wav2vec2 = Wav2Vec2Model(Wav2Vec2Config(**SIZE))
        self.classifier = nn.ModuleDict({"dense": nn.Linear(32, 32), "out_proj": nn.Linear(32, 3)})

    def forward(self, wave: Tensor) -> Tensor:
        values = Wav2Vec2FeatureExtractor(do_normalize=True)(wave.numpy(), sampling_rate=16000, return_tensors="pt")
        mean = self.wav2vec2(values["input_values"]).last_hidden_state.mean(1)
        return self.classifier["out_proj"](torch.tanh(self.classifier["dense"](mean)))[0]


@pytest.fixture(scope="module")
def released() -> Released:
    torch.manual_seed(0)
    return Released().eval()


@pytest.fixture(scope="module")
def folder(released: Released, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files as they were released: names of an older torch, and a class that transformers does not have."""
    made = tmp_path_factory.mktemp("msp_dim")
    config = Wav2Vec2Config(**SIZE).to_dict() | {
        "architectures": ["Wav2Vec2ForSpeechClassification"], "model_type": "wav2vec2", "vocab_size": None,
        "finetuning_task": "wav2vec2_reg", "pooling_mode": "mean", "problem_type": "regression",
        "hidden_dropout_prob": 0.1, "id2label": {"0": "arousal", "1": "dominance", "2": "valence"},
    }  # fmt: skip
    (made / "config.json").write_text(json.dumps(config))
    names = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    state = {}
    for name, tensor in released.state_dict().items():
        for new, old in names.items():
            name = name.replace(new, old)
        state[name] = tensor.contiguous()
    assert "wav2vec2.encoder.pos_conv_embed.conv.weight_g" in state
    save_file(state, made / "model.safetensors", {"format": "pt"})
    return made


def clips(*samples: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return 0.02 + 0.1 * torch.randn(len(samples), max(samples), generator=generator), torch.tensor(samples)


@torch.no_grad()
def test_attributes_are_those_of_the_release(released: Released, folder: Path) -> None:
    model = MspDimWav2vec2(str(folder)).eval()
    wave, length = clips(4000, 2500)
    found = model.attributes(wave, length)
    assert found.shape == (2, 3)
    for i, samples in enumerate(length.tolist()):
        torch.testing.assert_close(found[i], released(wave[i, :samples]), atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_encoder_alone_reads_the_same_release(folder: Path) -> None:
    plain = SpeechEncoder(str(folder), normalize="clip").eval()
    assert torch.equal(plain(*clips(3000, 900)), MspDimWav2vec2(str(folder)).eval()(*clips(3000, 900)))


def test_the_head_takes_no_part_in_training(folder: Path) -> None:
    model = MspDimWav2vec2(str(folder))
    model(*clips(3000)).sum().backward()
    idle = {name for name, p in model.named_parameters() if p.requires_grad and p.grad is None}
    assert not {name for name in idle if name.startswith(("hidden", "out"))}


def test_a_release_without_its_head_is_refused(folder: Path, tmp_path: Path) -> None:
    state = {
        name: tensor for name, tensor in load_file(folder / "model.safetensors").items() if "classifier.out" not in name
    }
    save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    SpeechEncoder(str(tmp_path))
    with pytest.raises(WeightsError, match=r"2 missing from the file: out\.bias, out\.weight"):
        MspDimWav2vec2(str(tmp_path))
