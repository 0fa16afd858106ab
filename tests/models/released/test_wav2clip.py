from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel, CLIPTextModel

from models.audio import AudioEncoder, Cnn14, ResNet18
from models.errors import WeightsError
from models.projection import MlpProjection
from models.released import Wav2Clip

SIZE = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
TEXT = SIZE | {
    "vocab_size": 60,
    "max_position_embeddings": 16,
    "eos_token_id": 3,
    "pad_token_id": 0,
    "projection_dim": 8,
}


class Clap(nn.Module):
    def __init__(self, audio: AudioEncoder) -> None:
        super().__init__()
        self.audio, self.text = audio, nn.Module()
        self.text.model = CLIPTextModel(CLIPConfig(text_config=TEXT).text_config)
        self.audio_projection, self.text_projection = MlpProjection(audio.width, 8), nn.Linear(16, 8, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(0.0))
        self.eval()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[CLIPModel, str]:
    torch.manual_seed(1)
    config = CLIPConfig(text_config=TEXT, vision_config=SIZE | {"image_size": 16, "patch_size": 8}, projection_dim=8)
    made = CLIPModel(config).eval()
    folder = tmp_path_factory.mktemp("clip")
    made.save_pretrained(folder)
    return made, str(folder)


def released() -> dict[str, Tensor]:
    """Tensors under the names and in the shapes of Wav2CLIP's training module, channels divided by 16."""
    generator = torch.Generator().manual_seed(2)

    def draw(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator) * 0.4 + 0.1

    def convolution(name: str, norm: str, inputs: int, outputs: int, size: int) -> dict[str, Tensor]:
        parts = {f"{norm}.{part}": draw(outputs) for part in ("weight", "bias", "running_mean", "running_var")}
        return parts | {
            f"{name}.weight": draw(outputs, inputs, size, size), f"{norm}.num_batches_tracked": torch.tensor(1)
        }  # fmt: skip

    encoder, inputs = convolution("conv1", "bn1", 1, 4, 7), 4
    for stage, outputs in enumerate((4, 8, 16, 32), 1):
        for number in range(2):
            block = f"layer{stage}.{number}"
            encoder |= convolution(f"{block}.conv1", f"{block}.bn1", inputs, outputs, 3)
            encoder |= convolution(f"{block}.conv2", f"{block}.bn2", outputs, outputs, 3)
            if inputs != outputs:
                encoder |= convolution(f"{block}.downsample.0", f"{block}.downsample.1", inputs, outputs, 1)
            inputs = outputs
    encoder |= {"spectrogram.window": torch.hann_window(512), "fc.weight": draw(309, 32), "fc.bias": draw(309)}
    state = {f"audio_encoder.{name}": tensor for name, tensor in encoder.items()}
    for tower, width in (("audio", 32), ("image", 8)):
        state |= {
            f"{tower}_transform.sequential.0.weight": draw(8, width),
            f"{tower}_transform.sequential.0.bias": draw(8),
        }
        state |= {f"{tower}_transform.sequential.3.weight": draw(8, 8), f"{tower}_transform.sequential.3.bias": draw(8)}
    return state | {"loss_fn_i.logit_scale": draw(), "loss_fn_a.logit_scale": draw()}


@torch.no_grad()
def test_fills_both_towers(tmp_path: Path, clip: tuple[CLIPModel, str]) -> None:
    state, clap = released(), Clap(ResNet18(channels=4))
    torch.save({"state_dict": state}, tmp_path / "Wav2CLIP.pt")
    line = Wav2Clip(tmp_path / "Wav2CLIP.pt", clip[1]).load(clap)
    assert line == (
        f"Wav2CLIP.pt and {clip[1]}: loaded {len(clap.state_dict()) - 1} tensors into "
        "audio, audio_projection, text.model, text_projection"
    )
    assert all(torch.equal(tensor, state[f"audio_encoder.{name}"]) for name, tensor in clap.audio.state_dict().items())

    x_ND = torch.randn(3, 32)
    first, second = (
        (state[f"audio_transform.sequential.{n}.weight"], state[f"audio_transform.sequential.{n}.bias"]) for n in (0, 3)
    )
    expected_NE = (x_ND @ first[0].T + first[1]).relu() @ second[0].T + second[1]
    torch.testing.assert_close(clap.audio_projection(x_ND), expected_NE)

    ids = torch.tensor([[2, 7, 9, 3], [2, 5, 3, 0]])
    text_NE = clap.text_projection(clap.text.model(input_ids=ids).pooler_output)
    assert torch.equal(text_NE / text_NE.norm(dim=-1, keepdim=True), _unit(clip[0], ids))


def _unit(clip: CLIPModel, ids: Tensor) -> Tensor:
    features: Tensor = clip.get_text_features(input_ids=ids).pooler_output
    return features / features.norm(dim=-1, keepdim=True)


@pytest.mark.parametrize(
    ("drop", "add", "message"),
    [
        (
            "audio_encoder.layer3.0.downsample.0.weight",
            "",
            "1 missing from the file: audio.layer3.0.downsample.0.weight",
        ),
        ("", "audio_encoder.layer5.0.conv1.weight", "1 without a place in the model: audio.layer5.0.conv1.weight"),
        ("audio_transform.sequential.3.bias", "", "1 missing from the file: audio_projection.2.bias"),
    ],
)
def test_everything_or_nothing(tmp_path: Path, clip: tuple[CLIPModel, str], drop: str, add: str, message: str) -> None:
    state, clap = released(), Clap(ResNet18(channels=4))
    state.pop(drop, None)
    torch.save(state | ({add: torch.zeros(1)} if add else {}), tmp_path / "x.pt")
    before = {name: tensor.clone() for name, tensor in clap.state_dict().items()}
    with pytest.raises(WeightsError, match=message):
        Wav2Clip(tmp_path / "x.pt", clip[1]).load(clap)
    assert all(torch.equal(tensor, before[name]) for name, tensor in clap.state_dict().items())


def test_another_encoder_is_refused(tmp_path: Path, clip: tuple[CLIPModel, str]) -> None:
    torch.save(released(), tmp_path / "x.pt")
    with pytest.raises(WeightsError, match="holds a ResNet-18, the model's audio encoder is a Cnn14"):
        Wav2Clip(tmp_path / "x.pt", clip[1]).load(Clap(Cnn14(width_multiplier=1 / 64)))


def test_missing_file_says_where_to_get_it(clip: tuple[CLIPModel, str]) -> None:
    with pytest.raises(WeightsError, match=r"nowhere\.pt: no such file.*descriptinc/lyrebird-wav2clip"):
        Wav2Clip(Path("nowhere.pt"), clip[1]).load(Clap(ResNet18(channels=4)))
