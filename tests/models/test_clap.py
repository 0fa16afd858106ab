import copy
import math
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from models.audio import AudioEncoder, Cnn14
from models.clap import Clap
from models.projection import LinearReluProjection
from models.text import TextEncoder

TEXTS = ["this is a sound of angry", "happy", "a person speaking in a sad tone", "plain quiet voice"]


class Statistics(AudioEncoder):
    """Mean and deviation of the true samples: cheap, and blind to padding."""

    sample_rate, width = 16000, 2

    def forward(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        return torch.stack([torch.stack(torch.std_mean(w[:n])) for w, n in zip(wave_NT, length_N, strict=True)])


def clap(tiny_bert: Path, audio: AudioEncoder | None = None, **more: object) -> Clap:
    torch.manual_seed(0)
    tower = audio or Cnn14(width_multiplier=1 / 32, stem_stride=2, mask_padding=True)
    return Clap(tower, TextEncoder(str(tiny_bert)), dim=16, **more)


def clips(n: int = 4) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(5)
    length_N = torch.tensor([16000, 9000, 12345, 16000, 7000, 15999][:n])
    wave_NT = 0.3 * torch.randn(n, 16000, generator=draw)
    return torch.where(torch.arange(16000) < length_N[:, None], wave_NT, 0.0), length_N


def train(model: Clap, steps: int = 4) -> None:
    """A few steps of the whole model in train mode, as a stage takes them."""
    model.train()
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    for step in range(steps):
        wave, length = clips()
        logits = model.scale * model.embed_audio(wave.roll(step, 1), length) @ model.embed_text(TEXTS).T
        nn.functional.cross_entropy(logits, torch.arange(4)).backward()
        optimizer.step()
        optimizer.zero_grad()


def moved(before: dict[str, Tensor], module: nn.Module) -> list[str]:
    return [name for name, tensor in module.state_dict().items() if not torch.equal(before[name], tensor)]


@torch.no_grad()
def test_embeddings_are_unit_vectors_of_the_shared_space(tiny_bert: Path) -> None:
    model = clap(tiny_bert).eval()
    for embedding in (model.embed_audio(*clips()), model.embed_text(TEXTS), model.project_text(torch.randn(2, 3, 32))):
        assert embedding.shape[-1] == model.width == 16
        torch.testing.assert_close(embedding.norm(dim=-1), torch.ones(embedding.shape[:-1]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("freeze_audio", [False, True])
@pytest.mark.parametrize("freeze_text", [False, True])
def test_frozen_towers_rest_to_the_last_bit_and_the_others_move(
    tiny_bert: Path, freeze_audio: bool, freeze_text: bool
) -> None:
    model = clap(tiny_bert, freeze_audio=freeze_audio, freeze_text=freeze_text)
    before = {part: copy.deepcopy(module.state_dict()) for part, module in model.named_children()}
    log_scale = model.log_scale.item()
    train(model)
    for part, frozen in (("audio", freeze_audio), ("text", freeze_text)):
        tower = model.get_submodule(part)
        assert not (frozen and moved(before[part], tower))
        assert all(parameter.requires_grad is not frozen for parameter in tower.parameters())
        assert not any(module.training is frozen for module in tower.modules())
        if not frozen:
            still = set(before[part]) - set(moved(before[part], tower))
            # A word that no text holds, or a constant of the front end, has no reason to move.
            assert not [name for name in still if dict(tower.named_parameters()).get(name) is not None]
    assert any(name.endswith("running_mean") for name in moved(before["audio"], model.audio)) is not freeze_audio
    assert moved(before["audio_projection"], model.audio_projection)
    assert moved(before["text_projection"], model.text_projection)
    assert model.log_scale.item() != log_scale


def test_dropout_of_a_frozen_tower_is_off_also_inside_another_module(tiny_bert: Path) -> None:
    frozen, free = (nn.Sequential(clap(tiny_bert, freeze_text=f)).train()[0] for f in (True, False))
    assert torch.equal(frozen.embed_text(TEXTS), frozen.embed_text(TEXTS))
    assert not torch.equal(free.embed_text(TEXTS), free.embed_text(TEXTS))


def test_scale_is_kept_between_1_and_100(tiny_bert: Path) -> None:
    model = clap(tiny_bert, temperature=0.07)
    assert model.scale.item() == pytest.approx(1 / 0.07, rel=1e-6)
    for log_scale, expected in ((-3.0, 1.0), (math.log(14.0), 14.0), (9.0, 100.0)):
        model.log_scale.data.fill_(log_scale)
        model.clamp_scale()
        assert model.scale.item() == pytest.approx(expected, rel=1e-5)
    assert model.log_scale.requires_grad


def test_a_clip_alone_equals_the_clip_in_a_batch_in_any_order(tiny_bert: Path) -> None:
    model = clap(tiny_bert)
    train(model)
    model.eval().requires_grad_(False)
    wave, length = clips(6)
    together = model.embed_audio(wave, length)
    alone = torch.cat([model.embed_audio(w[None], n[None]) for w, n in zip(wave, length, strict=True)])
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=0)
    order = torch.tensor([3, 5, 0, 4, 1, 2])
    torch.testing.assert_close(model.embed_audio(wave[order], length[order]), together[order], atol=1e-5, rtol=0)


@torch.no_grad()
def test_custom_projections_stand_in_place_of_the_mlp(tiny_bert: Path) -> None:
    torch.manual_seed(0)
    encoder = TextEncoder(str(tiny_bert)).eval()
    bare = partial(nn.Linear, bias=False)
    model = Clap(Statistics(), encoder, dim=7, audio_projection=bare, text_projection=nn.Linear).eval()
    audio, text = model.audio_projection, model.text_projection
    wave, length = clips()
    raw = torch.stack([torch.stack([w[:n].std(), w[:n].mean()]) for w, n in zip(wave, length, strict=True)])
    expected = raw @ audio.weight.T
    torch.testing.assert_close(model.embed_audio(wave, length), expected / expected.norm(dim=1, keepdim=True))
    expected = encoder(TEXTS) @ text.weight.T + text.bias
    torch.testing.assert_close(model.embed_text(TEXTS), expected / expected.norm(dim=1, keepdim=True))
    assert model.sample_rate == 16000


def test_the_learned_temperature_stays_in_its_bounds(tiny_bert: Path) -> None:
    def made(**how: object) -> Clap:
        return Clap(Statistics(), TextEncoder(str(tiny_bert)), dim=3, **how)  # type: ignore[arg-type]

    wide = made(temperature=1.0, min_temperature=0.01, max_temperature=10.0)
    for log_scale, expected in ((-9.0, 0.1), (9.0, 100.0)):
        wide.log_scale.data.fill_(log_scale)
        wide.clamp_scale()
        assert wide.scale.item() == pytest.approx(expected)
    fixed = made(temperature=50.0, learn_temperature=False)
    fixed.clamp_scale()
    assert fixed.scale.item() == pytest.approx(1 / 50)
    assert not fixed.log_scale.requires_grad
    with pytest.raises(ValueError, match=r"temperature is 2; expected min_temperature <= temperature <= max"):
        made(temperature=2.0)


def test_a_projection_to_zero_has_no_direction_and_a_finite_gradient(tiny_bert: Path) -> None:
    model = Clap(Statistics(), TextEncoder(str(tiny_bert)), dim=3, audio_projection=LinearReluProjection)
    model.audio_projection[0].bias.data.fill_(-1e6)
    embedding = model.embed_audio(*clips())
    assert (embedding == 0).all()
    embedding.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_vectors_keep_their_length_in_training_where_paraclaps_code_has_it_so(tiny_bert: Path) -> None:
    model = Clap(Statistics(), TextEncoder(str(tiny_bert)), dim=3, unit_in_training=False)
    lengths = model.train().embed_text(TEXTS).norm(dim=1)
    assert not torch.allclose(lengths, torch.ones_like(lengths))
    torch.testing.assert_close(model.eval().embed_text(TEXTS).norm(dim=1), torch.ones_like(lengths))


@pytest.mark.parametrize("how", ["autocast", "half", "bfloat16"])
def test_embeddings_are_float32_unit_vectors_whatever_the_precision(tiny_bert: Path, how: str) -> None:
    model = clap(tiny_bert, Statistics()).eval()
    pooled = torch.randn(40, 32, generator=torch.Generator().manual_seed(0))
    if how != "autocast":
        model.text_projection.to(torch.half if how == "half" else torch.bfloat16)
        pooled = pooled.to(model.text_projection[0].weight)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=how == "autocast"):
        embedding = model.project_text(pooled)
    assert embedding.dtype == torch.float32
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(40), atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.half, torch.bfloat16])
def test_a_projection_to_zero_is_zero_in_half_precision_too(dtype: torch.dtype, tiny_bert: Path) -> None:
    model = Clap(Statistics(), TextEncoder(str(tiny_bert)), dim=3, audio_projection=LinearReluProjection)
    model.audio_projection[0].bias.data.fill_(-100.0)
    model.audio_projection.to(dtype)
    embedding = model.project_audio(torch.randn(4, 2).to(dtype))
    assert (embedding == 0).all()
    embedding.sum().backward()
    assert all(p.grad.isfinite().all() for p in model.audio_projection.parameters() if p.grad is not None)
