"""Weights as older and newer versions of transformers and torch name them, into the models of this one."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertForPreTraining,
    RobertaConfig,
    RobertaModel,
    Wav2Vec2Config,
    Wav2Vec2ForCTC,
    Wav2Vec2Model,
)

from models.audio import SpeechEncoder
from models.load_state import install, translate_names
from models.text import TextEncoder
from stages.checkpoint import Checkpoint
from stages.errors import CheckpointError

SPEECH = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 20,
    "conv_dim": (8, 8), "conv_stride": (5, 4), "conv_kernel": (10, 8), "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2, "feat_extract_norm": "layer",
}  # fmt: skip
TEXT = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
State = dict[str, Tensor]


def rewrite(folder: Path, change: Callable[[State], State]) -> None:
    """Change the names in a folder's file of weights."""
    file = folder / "model.safetensors"
    save_file({name: tensor.clone() for name, tensor in change(load_file(file)).items()}, file, {"format": "pt"})


def renamed(state: State, *pairs: tuple[str, str]) -> State:
    for before, after in pairs:
        assert any(before in name for name in state), before
        state = {name.replace(before, after): tensor for name, tensor in state.items()}
    return state


FACTORS = (("parametrizations.weight.original0", "weight_g"), ("parametrizations.weight.original1", "weight_v"))
GAMMA = (("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta"))


@pytest.mark.parametrize("head", [False, True])
@torch.no_grad()
def test_a_speech_tower_with_the_old_names_of_a_normalised_weight(head: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    (Wav2Vec2ForCTC if head else Wav2Vec2Model)(Wav2Vec2Config(**SPEECH)).save_pretrained(tmp_path)
    wave, length = torch.randn(2, 3000), torch.tensor([3000, 2000])
    expected = SpeechEncoder(str(tmp_path)).eval()(wave, length)
    new = load_file(tmp_path / "model.safetensors")
    old = {before for before, _ in FACTORS if any(before in name for name in new)}
    # Whichever way this version writes, the other one is read, too.
    pairs = FACTORS if old else tuple((after, before) for before, after in FACTORS)
    rewrite(tmp_path, lambda state: renamed(state, *pairs))
    torch.testing.assert_close(SpeechEncoder(str(tmp_path)).eval()(wave, length), expected, atol=1e-6, rtol=0)


@torch.no_grad()
def test_berts_file_with_constants_prefix_heads_and_tensorflows_names(tiny_bert: Path, tmp_path: Path) -> None:
    """As google-bert/bert-base-uncased is on the hub."""
    torch.manual_seed(0)
    bert = BertForPreTraining(BertConfig(**TEXT, vocab_size=80, max_position_embeddings=40))
    for name, parameter in bert.named_parameters():
        if "LayerNorm" in name:
            parameter.uniform_(0.5, 1.5)
    bert.save_pretrained(tmp_path)
    for file in tiny_bert.glob("*token*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    expected = TextEncoder(str(tmp_path), "pooler").eval()(["angry voice"])
    places = {"bert.embeddings.position_ids": torch.arange(40)[None]}
    rewrite(tmp_path, lambda state: renamed(state, *GAMMA) | places)
    assert any(name.startswith("cls.") for name in load_file(tmp_path / "model.safetensors"))
    found = TextEncoder(str(tmp_path), "pooler").eval()(["angry voice"])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


class Part(nn.Module):
    """The towers of a checkpoint, as transformers 5 and torch 2.11 name their tensors."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.audio = Wav2Vec2Model(Wav2Vec2Config(**SPEECH))
        self.text = RobertaModel(RobertaConfig(**TEXT, vocab_size=30))
        self.norm = nn.BatchNorm1d(2)


OLDER = {
    "the names of weight_norm": lambda state: renamed(state, *FACTORS),
    "the names of TensorFlow": lambda state: renamed(state, *GAMMA),
    "constants": lambda state: (
        state
        | {
            "text.embeddings.position_ids": torch.arange(512)[None],
            "text.embeddings.token_type_ids": torch.zeros(1, 512),
        }
    ),
    "no counter of batches": lambda state: {n: t for n, t in state.items() if "num_batches_tracked" not in n},
}


@pytest.mark.parametrize("change", OLDER)
@pytest.mark.parametrize("way", ["checkpoint", "file"])
def test_weights_of_other_versions_fill_every_place(change: str, way: str) -> None:
    source, target = Part(0), Part(1)
    older = OLDER[change](source.state_dict())
    assert older.keys() != source.state_dict().keys()
    if way == "checkpoint":
        content = {"state_dict": {f"clap.{name}": tensor for name, tensor in older.items()}, "hyper_parameters": {}}
        Checkpoint(content, Path("old.ckpt")).load("clap", target)
    else:
        install(target, older, "old.pth", ["audio.", "text.", "norm."])
    for name, tensor in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], tensor), name


def test_newer_names_fit_an_older_module() -> None:
    old = torch.nn.utils.weight_norm(nn.Linear(2, 2))
    new = nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))
    assert set(translate_names(dict(new.named_parameters()), [])) == {
        "bias", "parametrizations.weight.original0", "parametrizations.weight.original1",
    }  # fmt: skip
    layer = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)))
    wanted = set(nn.Sequential(old).state_dict())
    assert set(translate_names(layer.state_dict(), wanted)) == wanted == {"0.bias", "0.weight_g", "0.weight_v"}


def test_an_unknown_name_is_still_refused() -> None:
    target = Part(0)
    weights = {f"clap.{name}": tensor for name, tensor in target.state_dict().items()}
    weights["clap.text.embeddings.unheard_of"] = torch.zeros(1)
    with pytest.raises(CheckpointError, match=r"unexpected text\.embeddings\.unheard_of"):
        Checkpoint({"state_dict": weights, "hyper_parameters": {}}, Path("old.ckpt")).load("clap", target)
    del weights["clap.text.embeddings.unheard_of"], weights["clap.text.pooler.dense.bias"]
    with pytest.raises(CheckpointError, match=r"missing text\.pooler\.dense\.bias"):
        Checkpoint({"state_dict": weights, "hyper_parameters": {}}, Path("old.ckpt")).load("clap", target)
