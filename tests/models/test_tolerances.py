"""How far an embedding may move with precision, batch and device: one table for every kind of tower."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2Model, Wav2Vec2Config, Wav2Vec2Model, WhisperConfig
from transformers import WhisperForConditionalGeneration as Whisper

from models.audio import Cnn14, Htsat, ResNet18, SpeechEncoder, WhisperSpeechEncoder
from models.audio.htsat import HtsatInput
from models.text import TextEncoder

HTSAT = {
    "spec_size": 64, "window_size": 4, "num_mel_bins": 16, "patch_size": 4, "patch_stride": [4, 4],
    "patch_embeds_hidden_size": 16, "hidden_size": 32, "depths": [1, 1], "num_attention_heads": [2, 2],
    "num_hidden_layers": 2, "projection_dim": 16, "mlp_ratio": 2.0,
}  # fmt: skip
WAV2VEC2 = {
    "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64,
    "conv_dim": (16, 16, 16), "conv_stride": (5, 4, 4), "conv_kernel": (10, 8, 4), "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4, "feat_extract_norm": "layer",
}  # fmt: skip
WHISPER = {
    "d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 4, "encoder_ffn_dim": 64, "num_mel_bins": 80,
    "max_source_positions": 50, "decoder_layers": 1, "decoder_attention_heads": 4, "decoder_ffn_dim": 64,
    "vocab_size": 60, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1,
}  # fmt: skip


def _speech(folder: Path) -> nn.Module:
    Wav2Vec2Model(Wav2Vec2Config(**WAV2VEC2)).save_pretrained(folder)
    return SpeechEncoder(str(folder), normalize="clip")


def _whisper(folder: Path) -> nn.Module:
    Whisper(WhisperConfig(**WHISPER)).save_pretrained(folder)
    return WhisperSpeechEncoder(str(folder))


AUDIO: dict[str, Callable[[Path], nn.Module]] = {
    "Cnn14": lambda _: Cnn14(width_multiplier=1 / 16, mask_padding=True),
    "Cnn14, repeated": lambda _: Cnn14(width_multiplier=1 / 16, padding="repeat"),
    "Htsat": lambda _: Htsat(config=HTSAT, spectrogram=HtsatInput(8000, 256, 80, 16, 50, 4000, 2)),
    "ResNet18": lambda _: ResNet18(channels=8),
    "SpeechEncoder": _speech,
    "WhisperSpeechEncoder": _whisper,
}
# The largest distance of a clip's or a text's embedding from that in float32 and in one batch, relative to its length.
# On six clips and three draws of weights the towers moved by up to 6e-7 (batch) and 9e-3 (bfloat16, eight bits of
# mantissa). What a GPU may do follows from float32's 24 bits over these depths, and has been measured on none.
TOLERANCE = {"batch": 1e-5, "bfloat16": 2e-2, "gpu": 1e-4}
TEXTS = ["angry", "this is a sound of a happy person", "the voice of the speaker sounds sad in this street"]


def _text(family: str, folder: Path, tiny_bert: Path) -> TextEncoder:
    if family == "bert":
        return TextEncoder(str(tiny_bert))
    for file in tiny_bert.glob("*token*"):
        (folder / file.name).write_bytes(file.read_bytes())
    GPT2Model(GPT2Config(vocab_size=80, n_embd=32, n_layer=2, n_head=2, n_positions=40)).save_pretrained(folder)
    return TextEncoder(str(folder), "last")


@pytest.fixture(scope="module", params=[*AUDIO, "bert", "gpt2"])
def tower(request: pytest.FixtureRequest, tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> nn.Module:
    folder = tmp_path_factory.mktemp("tower")
    torch.manual_seed(0)
    made = AUDIO[request.param](folder) if request.param in AUDIO else _text(request.param, folder, tiny_bert)
    return made.eval()


@torch.no_grad()
def embed(tower: nn.Module, rows: slice = slice(None), device: str = "cpu") -> Tensor:
    """The embeddings of six clips, or of six texts, or of some of them."""
    if isinstance(tower, TextEncoder):
        return tower((TEXTS + TEXTS[::-1])[rows])
    wave = 0.1 * torch.randn(6, 16000, generator=torch.Generator().manual_seed(0))
    length = torch.tensor([16000, 9000, 12345, 16000, 7000, 15000])
    return tower(wave[rows].to(device), length[rows].to(device))


def moved(found_ND: Tensor, expected_ND: Tensor) -> float:
    """The largest relative distance of a row."""
    distance_N = (found_ND.float().cpu() - expected_ND).norm(dim=1) / expected_ND.norm(dim=1)
    return float(distance_N.max())


@pytest.mark.parametrize("size", [1, 2, 4])
def test_the_size_of_the_batch(tower: nn.Module, size: int) -> None:
    found = torch.cat([embed(tower, slice(i, i + size)) for i in range(0, 6, size)])
    assert moved(found, embed(tower)) <= TOLERANCE["batch"]


def test_bfloat16(tower: nn.Module) -> None:
    # Without oneDNN, whose bfloat16 convolutions are wrong on some processors.
    with torch.backends.mkldnn.flags(enabled=False), torch.autocast("cpu", torch.bfloat16):
        found = embed(tower)
    # Not zero, for then half precision would not have been used.
    assert 0 < moved(found, embed(tower)) <= TOLERANCE["bfloat16"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that PyTorch can use")
def test_the_gpu(tower: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    expected = embed(tower)
    try:
        found = embed(tower.cuda(), device="cuda")
    finally:
        tower.cpu()
    assert moved(found, expected) <= TOLERANCE["gpu"]
