"""Released weights of models with a Cnn14: written with their own names, read into ours."""

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel
from transformers.audio_utils import mel_filter_bank

from models.audio import AudioEncoder, Cnn14, Htsat
from models.errors import WeightsError
from models.projection import MlpProjection, ResidualProjection
from models.released import LaionCnn14, MsClap2022, Panns
from models.released.cnn14 import FRONT_ENDS, FrontEnd, check_front_end

LAYERS = [f"conv_block{i}.{layer}" for i in range(1, 7) for layer in ("conv1", "conv2", "bn1", "bn2")]
TEXT = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
PANNS = {"sample_rate": 16000, "window": 512, "hop": 160, "fmin": 50, "fmax": 8000}
MSCLAP = {"sample_rate": 44100, "window": 1024, "hop": 320, "fmin": 50, "fmax": 14000}
LAION = {"sample_rate": 48000, "window": 1024, "hop": 480, "fmin": 50, "fmax": 14000}


class Text(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model


class Clap(nn.Module):
    """The four parts and the scale, every tensor random."""

    def __init__(self, seed: int, audio: AudioEncoder, text: nn.Module, projection: type[nn.Module]) -> None:
        super().__init__()
        self.audio, self.text = audio, Text(text)
        self.audio_projection, self.text_projection = projection(audio.width, 8), projection(16, 8)
        self.log_scale = nn.Parameter(torch.tensor(0.0))
        generator = torch.Generator().manual_seed(seed)
        for tensor in self.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=generator) * 0.2 + 0.05)
        self.eval()

    @torch.no_grad()
    def forward(self) -> list[Tensor]:
        wave_NT = 0.1 * torch.randn(2, 16000, generator=torch.Generator().manual_seed(5))
        text = self.text.model(torch.tensor([[1, 5, 7, 2], [1, 9, 2, 0]]), torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]]))
        audio_ND, text_ND = self.audio(wave_NT, torch.tensor([16000, 16000])), text.last_hidden_state[:, 0]
        pooled = [] if text.pooler_output is None else [text.pooler_output]
        return [self.audio_projection(audio_ND), self.text_projection(text_ND), self.log_scale, audio_ND, *pooled]


def cnn14(front_end: dict[str, float], **how: object) -> Cnn14:
    return Cnn14(**front_end, width_multiplier=1 / 32, **how)


def panns(seed: int, **how: object) -> Clap:
    return Clap(seed, cnn14(PANNS, **how), BertModel(BertConfig(**TEXT)), MlpProjection)


def laion(seed: int) -> Clap:
    roberta = RobertaModel(RobertaConfig(**TEXT, max_position_embeddings=20, pad_token_id=0))
    return Clap(seed, cnn14(LAION), roberta, MlpProjection)


def msclap(seed: int, pooler: bool = True) -> Clap:
    bert = BertModel(BertConfig(**TEXT), add_pooling_layer=pooler)
    return Clap(seed, cnn14(MSCLAP), bert, ResidualProjection)


def front_end_tensors(sample_rate: int, window: int, hop: int, fmin: float, fmax: float) -> dict[str, Tensor]:
    """The fixed tensors that torchlibrosa stores; the mel filters from another hand than ours."""
    frequencies = window // 2 + 1
    filters = mel_filter_bank(frequencies, 64, fmin, fmax, sample_rate, norm="slaney", mel_scale="slaney")
    return {
        "spectrogram_extractor.stft.conv_real.weight": torch.randn(frequencies, 1, window),
        "spectrogram_extractor.stft.conv_imag.weight": torch.randn(frequencies, 1, window),
        "logmel_extractor.melW": torch.from_numpy(filters).float(),
    }


def cnn14_tensors(encoder: Cnn14, front_end: dict[str, float], head: bool = True) -> dict[str, Tensor]:
    """Our encoder's tensors as PANNs writes them, layer by layer."""
    state = front_end_tensors(**front_end)
    bn = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    state |= {f"bn0.{name}": getattr(encoder.bn0, name) for name in bn}
    for layer in LAYERS:
        block, kind = layer.split(".")
        module = getattr(encoder.blocks[int(block[-1]) - 1], kind)
        names = bn if kind.startswith("bn") else ("weight",)
        state |= {f"{layer}.{name}": getattr(module, name) for name in names}
    state |= {"fc1.weight": encoder.fc1.weight, "fc1.bias": encoder.fc1.bias}
    if head:
        classifier = encoder.fc_audioset or nn.Linear(encoder.width, 527)
        state |= {"fc_audioset.weight": classifier.weight, "fc_audioset.bias": classifier.bias}
    return {name: tensor.detach().clone() for name, tensor in state.items()}


def prefixed(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def laion_tensors(clap: Clap) -> dict[str, Tensor]:
    state = prefixed("audio_branch.", cnn14_tensors(clap.audio, LAION))
    state |= prefixed("text_branch.", clap.text.model.state_dict())
    state["text_branch.embeddings.position_ids"] = torch.arange(20)[None]
    for tower in ("audio", "text"):
        linear, _, second = getattr(clap, f"{tower}_projection")
        state |= {f"{tower}_projection.0.weight": linear.weight, f"{tower}_projection.0.bias": linear.bias}
        state |= {f"{tower}_projection.2.weight": second.weight, f"{tower}_projection.2.bias": second.bias}
        state |= {f"{tower}_transform.sequential.{i}.weight": torch.ones(8, 8) for i in (0, 3, 6)}
        state |= {f"{tower}_transform.sequential.{i}.bias": torch.ones(8) for i in (0, 3, 6)}
    return state | {"logit_scale_a": clap.log_scale, "logit_scale_t": torch.tensor(9.0)}


def msclap_tensors(clap: Clap) -> dict[str, Tensor]:
    state = prefixed("audio_encoder.base.", cnn14_tensors(clap.audio, MSCLAP))
    state |= prefixed("caption_encoder.base.", clap.text.model.state_dict())
    state["caption_encoder.base.embeddings.position_ids"] = torch.arange(512)[None]
    for theirs, ours in (("audio_encoder", clap.audio_projection), ("caption_encoder", clap.text_projection)):
        state[f"{theirs}.projection.linear1.weight"] = ours.linear1.weight
        state[f"{theirs}.projection.linear2.weight"] = ours.linear2.weight
        state[f"{theirs}.projection.layer_norm.weight"] = ours.layer_norm.weight
        state[f"{theirs}.projection.layer_norm.bias"] = ours.layer_norm.bias
    return state | {"logit_scale": clap.log_scale}


def assert_equal(found: nn.Module, expected: nn.Module) -> None:
    for ours, theirs in zip(found(), expected(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("head", [False, True])
def test_panns(tmp_path: Path, head: bool) -> None:
    source, target = panns(1, audioset_head=head), panns(2, audioset_head=head)
    rest = {name: tensor.clone() for name, tensor in target.state_dict().items() if not name.startswith("audio.")}
    torch.save({"iteration": 600000, "model": cnn14_tensors(source.audio, PANNS)}, tmp_path / "Cnn14_16k.pth")
    line = Panns(tmp_path / "Cnn14_16k.pth").load(target)
    # bn0, twelve convolutions with normalisation, fc1, and the tags' classifier where there is a place for it.
    assert line == f"Cnn14_16k.pth: loaded {5 + 12 * (1 + 5) + 2 + 2 * head} tensors into audio"
    clip = torch.randn(2, 16000), torch.tensor([16000, 16000])
    assert torch.equal(target.audio(*clip), source.audio(*clip))
    if head:
        assert torch.equal(target.audio.tags(*clip), source.audio.tags(*clip))
    assert all(torch.equal(target.state_dict()[name], tensor) for name, tensor in rest.items())


@pytest.mark.parametrize("prefix", ["", "module."])
def test_laion(tmp_path: Path, prefix: str) -> None:
    source, target = laion(1), laion(2)
    checkpoint = {"epoch": 45, "name": "pann", "state_dict": prefixed(prefix, laion_tensors(source)), "optimizer": {}}
    torch.save(checkpoint, tmp_path / "epoch_45.pt")
    line = LaionCnn14(tmp_path / "epoch_45.pt").load(target)
    assert line == (
        f"epoch_45.pt: loaded {len(target.state_dict())} tensors into "
        "audio, text.model, audio_projection, text_projection, log_scale"
    )
    assert_equal(target, source)


@pytest.mark.parametrize("pooler", [True, False])
def test_msclap(tmp_path: Path, pooler: bool) -> None:
    source, target = msclap(1), msclap(2, pooler)
    torch.save({"model": msclap_tensors(source)}, tmp_path / "CLAP_weights_2022.pth")
    MsClap2022(tmp_path / "CLAP_weights_2022.pth").load(target)
    for ours, theirs in zip(target(), source(), strict=False):  # the pooled text comes last
        assert torch.equal(ours, theirs)


def test_safetensors(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    source, target = panns(1), panns(2)
    state = {name: tensor.contiguous() for name, tensor in cnn14_tensors(source.audio, PANNS).items()}
    save_file(state, tmp_path / "cnn14.safetensors")
    Panns(tmp_path / "cnn14.safetensors").load(target)
    clip = torch.randn(1, 16000), torch.tensor([16000])
    assert torch.equal(target.audio(*clip), source.audio(*clip))


def changed(state: dict[str, Tensor], drop: str = "", add: str = "", reshape: str = "") -> dict[str, Tensor]:
    state.pop(drop, None)
    if add:
        state[add] = torch.zeros(1)
    if reshape:
        state[reshape] = torch.zeros(3, 3)
    return state


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"drop": "conv_block3.bn2.running_var"}, "1 missing from the file: audio.blocks.2.bn2.running_var"),
        ({"add": "conv_block7.conv1.weight"}, "1 without a place in the model: conv_block7.conv1.weight"),
        ({"add": "module.bn0.weight"}, "without a place in the model: module.bn0.weight"),
        ({"reshape": "fc1.weight"}, r"audio.fc1.weight is \[3, 3\] in the file and \[64, 64\] in the model"),
    ],
)
def test_a_tensor_too_few_too_many_or_of_another_size(tmp_path: Path, how: dict[str, str], message: str) -> None:
    source, target = panns(1), panns(2)
    torch.save({"model": changed(cnn14_tensors(source.audio, PANNS), **how)}, tmp_path / "x.pth")
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    with pytest.raises(WeightsError, match=message):
        Panns(tmp_path / "x.pth").load(target)
    assert all(torch.equal(tensor, before[name]) for name, tensor in target.state_dict().items())


def test_classifier_wanted_but_not_in_the_file(tmp_path: Path) -> None:
    source, target = panns(1), panns(2, audioset_head=True)
    torch.save({"model": cnn14_tensors(source.audio, PANNS, head=False)}, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=r"2 missing from the file: audio\.fc_audioset\.bias, audio\.fc_audioset"):
        Panns(tmp_path / "x.pth").load(target)


def test_counters_of_batches_may_be_absent(tmp_path: Path) -> None:
    source, target = panns(1), panns(2)
    state = {k: v for k, v in cnn14_tensors(source.audio, PANNS).items() if not k.endswith("num_batches_tracked")}
    torch.save({"model": state}, tmp_path / "x.pth")
    assert f"loaded {4 + 12 * (1 + 4) + 2} tensors" in Panns(tmp_path / "x.pth").load(target)


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (cnn14(PANNS | {"sample_rate": 22050}), r"sample_rate: 16000 \(it has 22050\)"),
        (cnn14(PANNS | {"window": 1024}), r"window: 512 \(it has 1024\)"),
        (cnn14(PANNS | {"hop": 320}), r"hop: 160 \(it has 320\)"),
        (cnn14(PANNS | {"fmax": 7000}), r"fmax: 8000 \(it has 7000\)"),
        (cnn14(PANNS, mels=128), r"mels: 64 \(it has 128\)"),
        (cnn14(PANNS, stem_stride=2), "set stem_stride: 1"),
    ],
)
def test_an_encoder_that_hears_something_else(tmp_path: Path, encoder: Cnn14, message: str) -> None:
    torch.save({"model": cnn14_tensors(panns(1).audio, PANNS)}, tmp_path / "x.pth")
    target = panns(2)
    target.audio = encoder
    with pytest.raises(WeightsError, match=message):
        Panns(tmp_path / "x.pth").load(target)


@pytest.mark.parametrize("known", FRONT_ENDS)
def test_every_known_front_end_is_recognised(known: FrontEnd) -> None:
    encoder = Cnn14(**known._asdict(), width_multiplier=1 / 64)
    check_front_end(encoder, front_end_tensors(**known._asdict()), "", "x.pth")
    for other in set(FRONT_ENDS) - {known}:
        with pytest.raises(WeightsError, match="trained on another spectrogram"):
            check_front_end(encoder, front_end_tensors(**other._asdict()), "", "x.pth")


def test_unknown_filters_are_refused(tmp_path: Path) -> None:
    state = cnn14_tensors(panns(1).audio, PANNS)
    state["logmel_extractor.melW"] *= 1.1
    torch.save({"model": state}, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match="other mel filters"):
        Panns(tmp_path / "x.pth").load(panns(2))


def test_another_kind_of_encoder_is_refused(tmp_path: Path) -> None:
    torch.save({"model": cnn14_tensors(panns(1).audio, PANNS)}, tmp_path / "x.pth")
    target = panns(2)
    target.audio = Htsat.__new__(Htsat)
    with pytest.raises(WeightsError, match="holds a Cnn14, the model's audio encoder is a Htsat"):
        Panns(tmp_path / "x.pth").load(target)


@pytest.mark.parametrize(
    ("loader", "where"),
    [(Panns, "zenodo.org/records/3987831"), (MsClap2022, "huggingface.co/microsoft/msclap"), (LaionCnn14, "LAION")],
)
def test_missing_file_says_where_to_get_it(loader: type, where: str) -> None:
    with pytest.raises(WeightsError, match=f"nowhere.pth: no such file.*{re.escape(where)}"):
        loader(Path("nowhere.pth")).load(panns(1))
