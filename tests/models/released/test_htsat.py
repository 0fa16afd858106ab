"""Released weights of models with an HTSAT: drawn under the names that their authors write, computed independently."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import GPT2Config, GPT2Model, RobertaConfig, RobertaModel
from transformers.audio_utils import mel_filter_bank

from models.audio import AudioEncoder, Cnn14, Htsat
from models.audio.htsat import HtsatInput
from models.errors import WeightsError
from models.projection import MlpProjection, ResidualProjection
from models.released import LaionCnn14, LaionHtsat, MsClap2022, MsClap2023, Panns, Wav2Clip

# 64 mel bands over 1024 frames fold into 256 x 256, patches of 16 make 16 x 16, the second stage 8 x 8.
WIDTH, DEPTHS, HEADS, WINDOW, PATCH = 8, (2, 1), (2, 4), 4, 16
AUDIO = {
    "patch_embeds_hidden_size": WIDTH, "hidden_size": 2 * WIDTH, "depths": list(DEPTHS), "num_hidden_layers": 2,
    "num_attention_heads": list(HEADS), "window_size": WINDOW, "patch_size": PATCH, "patch_stride": [PATCH, PATCH],
    "mlp_ratio": 2.0,
}  # fmt: skip
GPT2 = {"vocab_size": 50, "n_positions": 20, "n_embd": 16, "n_layer": 2, "n_head": 2}
ROBERTA = {
    "vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
    "max_position_embeddings": 20, "pad_token_id": 0,
}  # fmt: skip
MSCLAP = HtsatInput(44100, 1024, 320, 64, 50, 14000, 7, filter_rate=32000)
FILTERS = {"rate": 32000, "fmin": 50, "fmax": 14000}
STATISTICS = ("weight", "bias", "running_mean", "running_var")


class Clap(nn.Module):
    def __init__(self, audio: AudioEncoder, text: nn.Module, projection: type[nn.Module]) -> None:
        super().__init__()
        self.audio, self.text = audio, nn.Module()
        self.text.model = text
        self.audio_projection, self.text_projection = projection(audio.width, 12), projection(16, 12)
        self.log_scale = nn.Parameter(torch.tensor(0.0))
        self.eval()


def msclap(hears: HtsatInput = MSCLAP) -> Clap:
    audio = Htsat(config=AUDIO, spectrogram=hears, padding="repeat")
    return Clap(audio, GPT2Model(GPT2Config(**GPT2)), ResidualProjection)


def laion(**how: object) -> Clap:
    hears = HtsatInput(scale="htk") if how else HtsatInput()
    return Clap(
        Htsat(config=AUDIO | how, spectrogram=hears, padding="repeatpad"),
        RobertaModel(RobertaConfig(**ROBERTA)),
        MlpProjection,
    )


class Draw:
    """Random tensors; every one is different, so that no two can be mistaken for each other."""

    def __init__(self) -> None:
        self.generator = torch.Generator().manual_seed(3)

    def __call__(self, *shape: int) -> Tensor:
        return 0.3 * torch.randn(shape, generator=self.generator)

    def linear(self, name: str, inputs: int, outputs: int, bias: bool = True) -> dict[str, Tensor]:
        return {f"{name}.weight": self(outputs, inputs)} | ({f"{name}.bias": self(outputs)} if bias else {})

    def norm(self, name: str, width: int, batch: bool = False) -> dict[str, Tensor]:
        state = {f"{name}.{part}": self(width).abs() + 0.5 for part in (STATISTICS if batch else STATISTICS[:2])}
        return state | ({f"{name}.num_batches_tracked": torch.tensor(7)} if batch else {})


def relative_index() -> Tensor:
    """For each pair of places in a window, the row of the table of biases that belongs to their distance."""
    rows, columns = (torch.arange(WINDOW**2) // WINDOW, torch.arange(WINDOW**2) % WINDOW)
    down, right = (axis[:, None] - axis[None, :] + WINDOW - 1 for axis in (rows, columns))
    return down * (2 * WINDOW - 1) + right


def htsat_tensors(draw: Draw, rate: int = 32000, fmin: float = 50, fmax: float = 14000) -> dict[str, Tensor]:
    """What HTSAT's own code writes, in its names and shapes."""
    filters = mel_filter_bank(513, 64, fmin, fmax, rate, norm="slaney", mel_scale="slaney")
    state = {
        "spectrogram_extractor.stft.conv_real.weight": draw(513, 1, 1024),
        "spectrogram_extractor.stft.conv_imag.weight": draw(513, 1, 1024),
        "logmel_extractor.melW": torch.from_numpy(filters).float(),
        "patch_embed.proj.weight": draw(WIDTH, 1, PATCH, PATCH),
        "patch_embed.proj.bias": draw(WIDTH),
    }
    state |= draw.norm("bn0", 64, batch=True) | draw.norm("patch_embed.norm", WIDTH)
    for stage, depth in enumerate(DEPTHS):
        width = WIDTH * 2**stage
        for number in range(depth):
            block = f"layers.{stage}.blocks.{number}"
            state |= draw.norm(f"{block}.norm1", width) | draw.norm(f"{block}.norm2", width)
            state[f"{block}.attn.relative_position_bias_table"] = draw((2 * WINDOW - 1) ** 2, HEADS[stage])
            state[f"{block}.attn.relative_position_index"] = relative_index()
            state |= draw.linear(f"{block}.attn.qkv", width, 3 * width) | draw.linear(
                f"{block}.attn.proj", width, width
            )
            state |= draw.linear(f"{block}.mlp.fc1", width, 2 * width) | draw.linear(
                f"{block}.mlp.fc2", 2 * width, width
            )
            if number % 2:
                state[f"{block}.attn_mask"] = draw(16 // WINDOW**2, WINDOW**2, WINDOW**2)
        if stage == 0:
            state |= draw.norm("layers.0.downsample.norm", 4 * WIDTH)
            state |= draw.linear("layers.0.downsample.reduction", 4 * WIDTH, 2 * WIDTH, bias=False)
    state |= draw.norm("norm", 2 * WIDTH)
    return state | {"tscam_conv.weight": draw(5, 16, 2, 3), "tscam_conv.bias": draw(5)} | draw.linear("head", 5, 5)


def htsat(state: dict[str, Tensor], mel_NTM: Tensor) -> Tensor:
    """HTSAT from the paper, on tensors in the names of its authors: [N, frames, 64] -> [N, D]."""

    def layer_norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"])

    def linear(x: Tensor, name: str) -> Tensor:
        return F.linear(x, state[f"{name}.weight"], state.get(f"{name}.bias"))

    def windows(x: Tensor) -> Tensor:
        n, height, width, dim = x.shape
        return x.reshape(n, height // WINDOW, WINDOW, width // WINDOW, WINDOW, dim).transpose(2, 3).flatten(3, 4)

    def attend(x: Tensor, block: str, heads: int, shift: int) -> Tensor:
        side, dim = x.shape[1], x.shape[3]
        q, k, v = linear(windows(x.roll((-shift, -shift), (1, 2))), f"{block}.attn.qkv").chunk(3, -1)
        q, k, v = (t.unflatten(-1, (heads, dim // heads)) for t in (q, k, v))
        scores = torch.einsum("nabqhd,nabkhd->nabhqk", q, k) / (dim // heads) ** 0.5
        scores = scores + state[f"{block}.attn.relative_position_bias_table"][relative_index()].permute(2, 0, 1)
        if shift:  # What the roll has brought together from opposite edges must not see each other.
            rolled = torch.tensor([(i >= side - WINDOW) + (i >= side - shift) for i in range(side)])
            region = windows((3 * rolled[:, None] + rolled)[None, :, :, None])
            scores = scores.masked_fill((region != region.transpose(-1, -2))[:, :, :, None], -torch.inf)
        x = linear(torch.einsum("nabhqk,nabkhd->nabqhd", scores.softmax(-1), v).flatten(-2), f"{block}.attn.proj")
        return (
            x.unflatten(3, (WINDOW, WINDOW)).transpose(2, 3).reshape(-1, side, side, dim).roll((shift, shift), (1, 2))
        )

    mean, variance = state["bn0.running_mean"], state["bn0.running_var"]
    mel_NTM = (mel_NTM - mean) / (variance + 1e-5).sqrt() * state["bn0.weight"] + state["bn0.bias"]
    mel_N1TM = F.interpolate(mel_NTM[:, None], (1024, 64), mode="bicubic", align_corners=True)
    # Four quarters of the time stand above each other.
    image_N1FT = torch.cat([quarter.transpose(2, 3) for quarter in mel_N1TM.chunk(4, 2)], 2)
    x = F.conv2d(image_N1FT, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], PATCH)
    x = layer_norm(x.permute(0, 2, 3, 1), "patch_embed.norm")
    for stage, depth in enumerate(DEPTHS):
        for number in range(depth):
            block = f"layers.{stage}.blocks.{number}"
            x = x + attend(layer_norm(x, f"{block}.norm1"), block, HEADS[stage], WINDOW // 2 if number % 2 else 0)
            x = x + linear(F.gelu(linear(layer_norm(x, f"{block}.norm2"), f"{block}.mlp.fc1")), f"{block}.mlp.fc2")
        if stage == 0:
            x = torch.cat([x[:, i::2, j::2] for i, j in ((0, 0), (1, 0), (0, 1), (1, 1))], -1)
            x = linear(layer_norm(x, "layers.0.downsample.norm"), "layers.0.downsample.reduction")
    return layer_norm(x, "norm").mean((1, 2))


def prefixed(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def msclap_tensors(filters: dict[str, float] = FILTERS) -> dict[str, Tensor]:
    draw = Draw()
    state = prefixed("audio_encoder.base.htsat.", htsat_tensors(draw, **filters))
    for tower in ("audio_encoder", "caption_encoder"):
        state |= draw.linear(f"{tower}.projection.linear1", 16, 12, bias=False)
        state |= draw.linear(f"{tower}.projection.linear2", 12, 12, bias=False)
        state |= draw.norm(f"{tower}.projection.layer_norm", 12)
    state |= draw.norm("caption_encoder.base.ln_f", 16)
    state |= {"caption_encoder.base.wte.weight": draw(50, 16), "caption_encoder.base.wpe.weight": draw(20, 16)}
    for number in range(2):
        layer = f"caption_encoder.base.h.{number}"
        state |= draw.norm(f"{layer}.ln_1", 16) | draw.norm(f"{layer}.ln_2", 16)
        # GPT-2 keeps the transpose of what a linear layer keeps.
        for name, inputs, outputs in (
            ("attn.c_attn", 16, 48), ("attn.c_proj", 16, 16), ("mlp.c_fc", 16, 64), ("mlp.c_proj", 64, 16),
        ):  # fmt: skip
            state |= {f"{layer}.{name}.weight": draw(inputs, outputs), f"{layer}.{name}.bias": draw(outputs)}
        state[f"{layer}.attn.bias"] = torch.ones(1, 1, 20, 20, dtype=torch.bool).tril()
        state[f"{layer}.attn.masked_bias"] = torch.tensor(-10000.0)
    return state | {"logit_scale": torch.tensor(3.1)}


def laion_tensors(fused: bool = False) -> dict[str, Tensor]:
    draw = Draw()
    state = prefixed("audio_branch.", htsat_tensors(draw, 48000))
    state |= prefixed("text_branch.", RobertaModel(RobertaConfig(**ROBERTA)).state_dict())
    state["text_branch.embeddings.position_ids"] = torch.arange(20)[None]
    for tower in ("audio", "text"):
        state |= draw.linear(f"{tower}_projection.0", 16, 12) | draw.linear(f"{tower}_projection.2", 12, 12)
        for number in (0, 3, 6):
            state |= draw.linear(f"{tower}_transform.sequential.{number}", 12, 12)
    if fused:
        patch = "audio_branch.patch_embed"
        state |= {f"{patch}.mel_conv2d.weight": draw(8, 1, 16, 48), f"{patch}.mel_conv2d.bias": draw(8)}
        for part, first in (("local_att", 0), ("global_att", 1)):
            for place, inputs, outputs in ((first, 8, 2), (first + 3, 2, 8)):
                name = f"{patch}.fusion_model.{part}"
                state |= {f"{name}.{place}.weight": draw(outputs, inputs, 1, 1), f"{name}.{place}.bias": draw(outputs)}
                state |= draw.norm(f"{name}.{place + 1}", outputs, batch=True)
    return state | {"logit_scale_a": torch.tensor(2.7), "logit_scale_t": torch.tensor(9.0)}


def tone(seconds: float, rate: int) -> tuple[Tensor, Tensor]:
    wave_T = 0.1 * torch.randn(int(seconds * rate), generator=torch.Generator().manual_seed(5))
    return wave_T[None], torch.tensor([len(wave_T)])


@torch.no_grad()
def test_msclap2023_computes_what_its_tensors_mean(tmp_path: Path) -> None:
    state, clap = msclap_tensors(), msclap()
    torch.save({"model": state, "epoch": 3}, tmp_path / "CLAP_weights_2023.pth")
    line = MsClap2023(tmp_path / "CLAP_weights_2023.pth").load(clap)
    assert line.startswith(f"CLAP_weights_2023.pth: loaded {len(clap.state_dict())} tensors into audio, text.model, ")

    wave_NT, length_N = tone(2.5, 44100)
    whole_NT = wave_NT.tile(3)[:, : 7 * 44100]
    frames = torch.stft(
        whole_NT, 1024, 320, window=torch.hann_window(1024), center=True, pad_mode="reflect", return_complex=True
    )
    tower = {name.removeprefix("audio_encoder.base.htsat."): tensor for name, tensor in state.items()}
    power_NTM = frames.abs().square().transpose(1, 2) @ tower["logmel_extractor.melW"]
    expected = htsat(tower, 10 * power_NTM.clamp(min=1e-10).log10())
    torch.testing.assert_close(clap.audio(wave_NT, length_N), expected, atol=1e-4, rtol=1e-4)
    assert expected.std() > 0.1

    first = expected @ state["audio_encoder.projection.linear1.weight"].T
    second = first + F.gelu(first) @ state["audio_encoder.projection.linear2.weight"].T
    norm = (state[f"audio_encoder.projection.layer_norm.{name}"] for name in ("weight", "bias"))
    torch.testing.assert_close(clap.audio_projection(expected), F.layer_norm(second, (12,), *norm))
    assert clap.log_scale == state["logit_scale"]


@torch.no_grad()
def test_msclap2023_reads_as_gpt2_does(tmp_path: Path) -> None:
    state, clap = msclap_tensors(), msclap()
    torch.save({"model": state}, tmp_path / "x.pth")
    MsClap2023(tmp_path / "x.pth").load(clap)
    gpt2 = GPT2Model(GPT2Config(**GPT2)).eval()
    own = {name.removeprefix("caption_encoder.base."): tensor for name, tensor in state.items()}
    gpt2.load_state_dict({name: own[name] for name in gpt2.state_dict()})
    ids = torch.tensor([[4, 9, 11]])
    assert torch.equal(clap.text.model(ids).last_hidden_state, gpt2(ids).last_hidden_state)


@torch.no_grad()
@pytest.mark.parametrize("prefix", ["", "module."])
def test_laion_computes_what_its_tensors_mean(tmp_path: Path, prefix: str) -> None:
    state, clap = laion_tensors(), laion()
    torch.save({"epoch": 15, "name": "x", "state_dict": prefixed(prefix, state)}, tmp_path / "epoch_15.pt")
    line = LaionHtsat(tmp_path / "epoch_15.pt").load(clap)
    assert f"loaded {len(clap.state_dict())} tensors" in line

    wave_NT, length_N = tone(10, 48000)
    tower = {name.removeprefix("audio_branch."): tensor for name, tensor in state.items()}
    expected = htsat(tower, clap.audio.logmel(wave_NT).transpose(1, 2))
    torch.testing.assert_close(clap.audio(wave_NT, length_N), expected, atol=1e-4, rtol=1e-4)
    for name in ("embeddings.word_embeddings.weight", "pooler.dense.weight"):
        assert torch.equal(clap.text.model.state_dict()[name], state[f"text_branch.{name}"])
    hidden = F.linear(expected, state["audio_projection.0.weight"], state["audio_projection.0.bias"]).relu()
    projected = F.linear(hidden, state["audio_projection.2.weight"], state["audio_projection.2.bias"])
    torch.testing.assert_close(clap.audio_projection(expected), projected)
    assert clap.log_scale == state["logit_scale_a"]


def test_laion_with_fusion(tmp_path: Path) -> None:
    state, clap = laion_tensors(fused=True), laion(enable_fusion=True, fusion_type="aff_2d")
    torch.save({"state_dict": state}, tmp_path / "x.pt")
    LaionHtsat(tmp_path / "x.pt").load(clap)
    patch = clap.audio.model.audio_encoder.patch_embed
    assert torch.equal(
        patch.fusion_model.global_att[4].weight, state["audio_branch.patch_embed.fusion_model.global_att.4.weight"]
    )
    assert torch.equal(patch.mel_conv2d.weight, state["audio_branch.patch_embed.mel_conv2d.weight"])


@pytest.mark.parametrize(
    ("filters", "hears"),
    [
        ({"rate": 44100, "fmin": 50, "fmax": 8000}, HtsatInput(44100, 1024, 320, 64, 50, 8000, 7)),
        ({"rate": 44100, "fmin": 50, "fmax": 14000}, HtsatInput(44100, 1024, 320, 64, 50, 14000, 7)),
        (FILTERS, MSCLAP),
    ],
)
def test_the_filters_in_the_file_decide(tmp_path: Path, filters: dict[str, float], hears: HtsatInput) -> None:
    torch.save({"model": msclap_tensors(filters)}, tmp_path / "x.pth")
    MsClap2023(tmp_path / "x.pth").load(msclap(hears))
    with pytest.raises(WeightsError, match=r"set in its init_args.spectrogram: .*seconds: 7 \(it has 5\)"):
        MsClap2023(tmp_path / "x.pth").load(msclap(HtsatInput(44100, 1024, 320, 64, 50, 9000, 5)))


def test_the_message_names_the_filters_to_set(tmp_path: Path) -> None:
    torch.save({"model": msclap_tensors({"rate": 44100, "fmin": 50, "fmax": 8000})}, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=r"fmax: 8000 \(it has 14000\), filter_rate: null \(it has 32000\)"):
        MsClap2023(tmp_path / "x.pth").load(msclap())


def test_unknown_or_absent_filters_are_refused(tmp_path: Path) -> None:
    state = msclap_tensors()
    filters = state.pop("audio_encoder.base.htsat.logmel_extractor.melW")
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match="has no mel filters"):
        MsClap2023(tmp_path / "x.pth").load(msclap())
    torch.save(state | {"audio_encoder.base.htsat.logmel_extractor.melW": 1.1 * filters}, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match="mel filters that are not known"):
        MsClap2023(tmp_path / "x.pth").load(msclap())


def test_another_encoder_is_refused(tmp_path: Path) -> None:
    torch.save(msclap_tensors(), tmp_path / "x.pth")
    clap = msclap()
    clap.audio = Cnn14(width_multiplier=1 / 64)
    with pytest.raises(WeightsError, match="holds an HTSAT, the model's audio encoder is a Cnn14"):
        MsClap2023(tmp_path / "x.pth").load(clap)


@pytest.mark.parametrize(
    ("drop", "add", "message"),
    [
        ("layers.0.blocks.1.attn.proj.bias", None, "1 missing from the file: audio.*1.attention.output.dense.bias"),
        ("layers.1.blocks.0.attn.qkv.weight", None, "3 missing from the file: .*self.key.weight, .*query.*value"),
        (None, "layers.0.blocks.2.norm1.weight", "1 without a place in the model: audio.*blocks.2.layernorm_before"),
        (None, "absolute_pos_embed", "1 without a place in the model: audio_encoder.base.htsat.absolute_pos_embed"),
    ],
)
def test_nothing_is_loaded_unless_everything_fits(
    tmp_path: Path, drop: str | None, add: str | None, message: str
) -> None:
    state, clap = msclap_tensors(), msclap()
    state.pop(f"audio_encoder.base.htsat.{drop}", None)
    if add:
        state[f"audio_encoder.base.htsat.{add}"] = torch.zeros(8)
    torch.save(state, tmp_path / "x.pth")
    before = {name: tensor.clone() for name, tensor in clap.state_dict().items()}
    with pytest.raises(WeightsError, match=message):
        MsClap2023(tmp_path / "x.pth").load(clap)
    assert all(torch.equal(tensor, before[name]) for name, tensor in clap.state_dict().items())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("audio_encoder.base.htsat.bn0.weight", "msclap 2023"),
        ("audio_encoder.base.conv_block1.conv1.weight", "msclap 2022"),
        ("module.audio_branch.layers.0.blocks.0.norm1.weight", "LAION-CLAP with HTSAT"),
        ("audio_branch.conv_block1.conv1.weight", "LAION-CLAP with Cnn14"),
        ("audio_model.audio_encoder.norm.weight", "transformers' ClapModel"),
        ("audio_encoder.layer1.0.conv1.weight", "Wav2CLIP"),
        ("conv_block1.conv1.weight", "PANNs Cnn14"),
        ("sed_model.layers.0.blocks.0.norm1.weight", "HTSAT trained to tag AudioSet"),
        ("audio.fbsp.m", "AudioCLIP"),
        ("clap.audio.bn0.weight", "a checkpoint of this program"),
    ],
)
@pytest.mark.parametrize("loader", [LaionCnn14, LaionHtsat, MsClap2022, MsClap2023, Panns, Wav2Clip])
def test_a_file_of_another_kind_is_named(tmp_path: Path, loader: type, name: str, kind: str) -> None:
    nothing = nn.Module()
    nothing.audio = nn.Identity()
    torch.save({"state_dict": {name: torch.zeros(2)}, "epoch": 3}, tmp_path / "x.pth")
    with pytest.raises(WeightsError) as raised:
        loader(tmp_path / "x.pth").load(nothing)
    own = {"LaionCnn14": "LAION-CLAP with Cnn14", "LaionHtsat": "LAION-CLAP with HTSAT", "MsClap2022": "msclap 2022"}
    own |= {"MsClap2023": "msclap 2023", "Panns": "PANNs Cnn14", "Wav2Clip": "Wav2CLIP"}
    named = f"x.pth looks like {kind}, not like {own[loader.__name__]}" in str(raised.value)
    assert named == (kind != own[loader.__name__])


@pytest.mark.parametrize("first", ["caption_decoder.gpt.wte.weight", "clap_project.0.weight"])
def test_models_that_write_are_not_taken_for_msclap(tmp_path: Path, first: str) -> None:
    torch.save(msclap_tensors() | {first: torch.zeros(2)}, tmp_path / "base.pth")
    with pytest.raises(WeightsError, match=r"base\.pth looks like (Pengi|clapcap), not like msclap 2023: it writes"):
        MsClap2023(tmp_path / "base.pth").load(msclap())
