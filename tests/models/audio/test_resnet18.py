import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.audio import ResNet18


@pytest.fixture
def encoder() -> ResNet18:
    torch.manual_seed(0)
    made = ResNet18(channels=4)
    for tensor in made.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape) * 0.4 + 0.1)
    return made.eval()


def waves(*samples: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    clips = [0.1 * torch.randn(n, generator=generator) for n in samples]
    return torch.nn.utils.rnn.pad_sequence(clips, batch_first=True), torch.tensor(samples)


def reference(state: dict[str, Tensor], wave_T: Tensor) -> Tensor:
    """ResNet-18 on one clip in float64, from the tensors alone."""
    state = {name: tensor.double() for name, tensor in state.items()}

    def convolve(x: Tensor, name: str, norm: str, stride: int, padding: int) -> Tensor:
        x = F.conv2d(x, state[f"{name}.weight"], stride=stride, padding=padding)
        mean, variance, weight, bias = (
            state[f"{norm}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (variance + 1e-5).sqrt() * weight + bias

    frames = F.pad(wave_T.double()[None], (256, 256), mode="reflect")[0].unfold(0, 512, 353)
    power = torch.fft.rfft(frames * torch.hann_window(512, dtype=torch.float64)).abs().square().T
    x = (power + 1e-7).log()
    x = ((x - x.mean()) / x.std())[None, None]
    x = F.max_pool2d(convolve(x, "conv1", "bn1", 2, 3).relu(), 3, 2, 1)
    for stage in range(1, 5):
        for number in range(2):
            block, stride = f"layer{stage}.{number}", 2 if stage > 1 and number == 0 else 1
            y = convolve(x, f"{block}.conv1", f"{block}.bn1", stride, 1).relu()
            y = convolve(y, f"{block}.conv2", f"{block}.bn2", 1, 1)
            if stride == 2:
                x = convolve(x, f"{block}.downsample.0", f"{block}.downsample.1", 2, 0)
            x = (x + y).relu()
    return x.mean((0, 2, 3))


@torch.no_grad()
def test_equals_the_paper_on_each_clip_alone(encoder: ResNet18) -> None:
    wave_NT, length_N = waves(16000, 9000, 16000)
    found_ND = encoder(wave_NT, length_N)
    assert found_ND.shape == (3, encoder.width) == (3, 32)
    for wave_T, length, found_D in zip(wave_NT, length_N, found_ND, strict=True):
        expected_D = reference(encoder.state_dict(), wave_T[:length])
        torch.testing.assert_close(found_D.double(), expected_D, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_what_lies_behind_a_clip_does_not_matter(encoder: ResNet18) -> None:
    wave_NT, length_N = waves(16000, 9000)
    before_ND = encoder(wave_NT, length_N)
    wave_NT[1, 9000:] = 1
    assert torch.equal(encoder(wave_NT, length_N), before_ND)


@torch.no_grad()
@pytest.mark.parametrize("samples", [1, 300, 512])
def test_short_and_silent_clips_have_an_embedding(encoder: ResNet18, samples: int) -> None:
    assert encoder(torch.zeros(1, samples), torch.tensor([samples])).isfinite().all()


def test_the_tensors_have_the_names_of_a_resnet18() -> None:
    names = ResNet18(channels=4).state_dict()
    assert len(names) == 20 * 6  # as many convolutions, each with its normalisation
    assert not any(name.startswith("spectrogram") for name in names)
    assert "layer2.0.downsample.0.weight" in names
    assert "layer1.0.downsample.0.weight" not in names
    assert sum(p.numel() for p in ResNet18().parameters()) == 11_176_512 - 2 * 64 * 49


def test_gradient_reaches_every_tensor() -> None:
    encoder = ResNet18(channels=4)
    encoder(*waves(16000, 16000, 9000)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())
