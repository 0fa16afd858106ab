from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, RobertaConfig, RobertaModel

from models.audio import Cnn14, Htsat
from models.audio.htsat import HtsatInput
from models.errors import WeightsError
from models.projection import MlpProjection
from models.released import HuggingFaceClap

TEXT = {
    "vocab_size": 100,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 40,
}
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
    "mlp_ratio": 2.0,
}
HEARS = HtsatInput(sample_rate=8000, window=256, hop=80, mels=16, fmin=50, fmax=4000, seconds=2)


class Clap(nn.Module):
    def __init__(self, spectrogram: HtsatInput = HEARS) -> None:
        super().__init__()
        self.audio = Htsat(config=AUDIO, spectrogram=spectrogram)
        self.text = nn.Module()
        self.text.model = RobertaModel(
            RobertaConfig(**TEXT, type_vocab_size=1, layer_norm_eps=1e-12, attn_implementation="eager")
        )
        self.audio_projection, self.text_projection = MlpProjection(32, 16), MlpProjection(32, 16)
        self.log_scale = nn.Parameter(torch.tensor(0.0))
        self.eval()


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> tuple[ClapModel, Path]:
    torch.manual_seed(0)
    config = {"projection_dim": 16}
    clap = ClapModel(ClapConfig(**config, text_config=TEXT | config, audio_config=AUDIO | config)).eval()
    for parameter in clap.parameters():
        nn.init.normal_(parameter, std=0.1)
    folder = tmp_path_factory.mktemp("released")
    clap.save_pretrained(folder)
    features = ClapFeatureExtractor(16, 8000, 80, 2, 256, frequency_min=50, frequency_max=4000, truncation="rand_trunc")
    features.save_pretrained(folder)
    return clap, folder


@torch.no_grad()
def test_embeds_as_the_released_model(released: tuple[ClapModel, Path]) -> None:
    theirs, folder = released
    ours = Clap()
    line = HuggingFaceClap(str(folder)).load(ours)
    assert f"loaded {len(list(ours.state_dict()))} tensors" in line

    ids, mask = torch.tensor([[0, 5, 9, 2], [0, 7, 2, 1]]), torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    text_NE = ours.text_projection(ours.text.model(ids, mask).pooler_output)
    expected = theirs.get_text_features(input_ids=ids, attention_mask=mask).pooler_output
    assert torch.equal(nn.functional.normalize(text_NE, dim=-1), expected)

    wave_NT = 0.1 * torch.randn(2, 16000, generator=torch.Generator().manual_seed(0))
    audio_NE = ours.audio_projection(ours.audio(wave_NT, torch.tensor([16000, 16000])))
    mel = ours.audio.logmel(wave_NT).transpose(1, 2)[:, None]
    longer = torch.zeros(2, 1, dtype=torch.bool)
    expected = theirs.get_audio_features(input_features=mel, is_longer=longer).pooler_output
    assert torch.equal(nn.functional.normalize(audio_NE, dim=-1), expected)
    assert torch.equal(ours.log_scale, theirs.logit_scale_a)


def test_an_encoder_that_hears_something_else(released: tuple[ClapModel, Path]) -> None:
    with pytest.raises(WeightsError, match=r"fmax=4000.*fmax=3000.*set its spectrogram"):
        HuggingFaceClap(str(released[1])).load(Clap(HtsatInput(8000, 256, 80, 16, 50, 3000, 2)))


def test_another_kind_of_encoder_is_refused(released: tuple[ClapModel, Path]) -> None:
    clap = Clap()
    clap.audio = Cnn14(width_multiplier=1 / 64)
    with pytest.raises(WeightsError, match="holds an HTSAT, the model's audio encoder is a Cnn14"):
        HuggingFaceClap(str(released[1])).load(clap)


def test_another_size_is_refused(released: tuple[ClapModel, Path]) -> None:
    clap = Clap()
    clap.text_projection = MlpProjection(32, 24)
    with pytest.raises(WeightsError, match=r"text_projection.2.weight is \[16, 16\] in the file and \[24, 24\]"):
        HuggingFaceClap(str(released[1])).load(clap)
