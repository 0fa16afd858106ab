import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.audio import Cnn14

TINY = 1 / 32  # channels 2, 4, ..., 64


def tiny(**how: object) -> Cnn14:
    torch.manual_seed(0)
    net = Cnn14(width_multiplier=TINY, **how)
    for module in net.modules():  # statistics that are not the identity, so that evaluation tests them
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.normal_(module.weight, 1, 0.2)
            torch.nn.init.normal_(module.bias, 0, 0.2)
    net.bn0.running_mean.fill_(-30)
    net.bn0.running_var.fill_(400)
    return net.eval()


def waves(clips: int, samples: int) -> tuple[Tensor, Tensor]:
    wave_NT = 0.1 * torch.randn(clips, samples, generator=torch.Generator().manual_seed(1))
    return wave_NT, torch.full((clips,), samples)


def reference(net: Cnn14, wave_NT: Tensor) -> Tensor:
    """The network written out from its tensors, float64, contiguous, without a module in sight."""
    w = {name: tensor.double().contiguous() for name, tensor in net.state_dict().items()}

    def normed(x: Tensor, name: str) -> Tensor:
        shape = (1, -1, 1, 1)
        mean, var = w[f"{name}.running_mean"].view(shape), w[f"{name}.running_var"].view(shape)
        return (x - mean) / (var + 1e-5).sqrt() * w[f"{name}.weight"].view(shape) + w[f"{name}.bias"].view(shape)

    x = net.logmel(wave_NT).double()[:, :, :, None]  # clips, mel bands, frames, 1: bands are bn0's channels
    x = normed(x, "bn0").permute(0, 3, 2, 1)
    for i in range(6):
        for j in (1, 2):
            stride = net.stem_stride if (i, j) == (0, 1) else 1
            x = F.conv2d(x, w[f"blocks.{i}.conv{j}.weight"], stride=stride, padding=1)
            x = normed(x, f"blocks.{i}.bn{j}").clamp(min=0)
        if i < 5:
            frames, bands = x.shape[2] // 2, x.shape[3] // 2
            x = x[:, :, : 2 * frames, : 2 * bands].unflatten(2, (frames, 2)).unflatten(4, (bands, 2)).mean((3, 5))
    x = x.mean(3)
    return ((x.max(2).values + x.mean(2)) @ w["fc1.weight"].T + w["fc1.bias"]).clamp(min=0)


@pytest.mark.parametrize("stem_stride", [1, 2])
def test_equals_reference(stem_stride: int) -> None:
    net = tiny(stem_stride=stem_stride)
    wave_NT, length_N = waves(3, 20000)
    found = net(wave_NT, length_N)
    assert found.shape == (3, net.width)
    assert found.std() > 0.01
    torch.testing.assert_close(found.double(), reference(net, wave_NT), atol=1e-4, rtol=1e-4)


def test_full_width_has_the_published_number_of_parameters() -> None:
    # PANNs' count is of the trained parameters: the Fourier matrices and mel filters, fixed there, are buffers here.
    net = Cnn14(audioset_head=True)
    assert sum(p.numel() for p in net.parameters()) == 80_753_615
    assert net.width == 2048


def test_clip_alone_equals_clip_in_a_batch() -> None:
    net = tiny()
    wave_NT, length_N = waves(4, 16000)
    batch = net(wave_NT, length_N)
    alone = torch.cat([net(wave_NT[i : i + 1], length_N[i : i + 1]) for i in range(4)])
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(alone, batch, atol=1e-5, rtol=0)
    torch.testing.assert_close(net(wave_NT[order], length_N), batch[order], atol=1e-5, rtol=0)


@pytest.mark.parametrize("stem_stride", [1, 2])
def test_masked_padding_of_any_length_is_not_heard(stem_stride: int) -> None:
    net = tiny(mask_padding=True, stem_stride=stem_stride)
    wave_NT, length_N = waves(2, 32000)
    # More silence than the convolutions can see past, then more still.
    some, more = (F.pad(wave_NT, (0, silence)) for silence in (64000, 96000))
    torch.testing.assert_close(net(some, length_N), net(more, length_N), atol=1e-5, rtol=0)
    net.mask_padding = False
    assert (net(some, length_N) - net(more, length_N)).abs().max() > 1e-3


def test_mask_is_no_mask_for_clips_of_full_length() -> None:
    masked, plain = tiny(mask_padding=True), tiny()
    wave_NT, length_N = waves(2, 20480)  # a whole number of steps: 129 frames, 4 steps
    torch.testing.assert_close(masked(wave_NT, length_N), plain(wave_NT, length_N), atol=1e-6, rtol=0)


def test_shortest_clip_keeps_one_step() -> None:
    wave_NT, _ = waves(1, 16000)
    assert tiny(mask_padding=True)(wave_NT, torch.tensor([0])).isfinite().all()


def test_evaluation_is_deterministic_and_training_is_not() -> None:
    net = tiny()
    clips = waves(2, 16000)
    assert torch.equal(net(*clips), net(*clips))
    net.train()
    assert not torch.equal(net(*clips), net(*clips))


def test_only_spec_augment_is_random_without_dropout() -> None:
    clips = waves(4, 16000)
    for spec_augment, same in ((True, False), (False, True)):
        net = tiny(spec_augment=spec_augment, dropout=0, head_dropout=0).train()
        assert torch.equal(net(*clips), net(*clips)) is same


def test_gradient_reaches_every_parameter() -> None:
    net = tiny(stem_stride=2).train()
    net(*waves(8, 16000)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    assert net.blocks[0].conv1.weight.grad.abs().sum() > 0


def test_tags() -> None:
    probabilities = tiny(audioset_head=True).tags(*waves(2, 16000))
    assert probabilities.shape == (2, 527)
    assert 0 < probabilities.min() < probabilities.max() < 1
    with pytest.raises(RuntimeError, match="audioset_head: true"):
        tiny().tags(*waves(1, 16000))


def test_bfloat16_stays_near_float32() -> None:
    net, clips = tiny(), waves(2, 16000)
    expected = net(*clips)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = net(*clips).float()
    for found in (mixed, net.to(torch.bfloat16)(*clips).float()):
        assert F.cosine_similarity(found, expected).min() > 0.99


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"width_multiplier": 0.01}, "set it to 0.015625 or more"),
        ({"mels": 32, "stem_stride": 2}, "set mels to 64 or more"),
    ],
)
def test_impossible_sizes_are_refused(how: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Cnn14(**how)


def test_too_short_a_clip_is_refused() -> None:
    with pytest.raises(ValueError, match=r"26 frames .* pad to 32"):
        tiny()(*waves(1, 4000))


@torch.no_grad()
def test_repeating_leaves_no_trace_of_the_padding() -> None:
    encoder = Cnn14(width_multiplier=1 / 32, padding="repeat").eval()
    clip_T = torch.randn(9000, generator=torch.Generator().manual_seed(0))
    wave_NT = torch.stack([torch.cat([clip_T, torch.full((15000,), 9.0)]), torch.cat([clip_T, clip_T, clip_T[:6000]])])
    alike_ND = encoder(wave_NT, torch.tensor([9000, 24000]))
    torch.testing.assert_close(alike_ND[0], alike_ND[1], atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="set mask_padding: false or padding: zero"):
        Cnn14(width_multiplier=1 / 32, padding="repeat", mask_padding=True)
