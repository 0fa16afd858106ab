import pytest
import torch
from torch import nn

from models.classifier import CosineClassifier, LinearClassifier


def test_cosine_equals_the_formula() -> None:
    classifier = CosineClassifier(5, 3).double()
    x = torch.randn(7, 5, dtype=torch.float64)
    scores = classifier(x).detach()
    assert scores.shape == (7, 3)
    for n in range(7):
        for c in range(3):
            w = classifier.weight_CE[c].detach()
            assert float(scores[n, c]) == pytest.approx(
                float(x[n] @ w / (x[n] @ x[n]).sqrt() / (w @ w).sqrt()), abs=1e-12
            )


def test_cosine_hears_directions_only() -> None:
    classifier, x = CosineClassifier(16, 4), torch.randn(9, 16)
    before = classifier(x)
    assert before.abs().max() <= 1 + 1e-6
    torch.testing.assert_close(classifier(37 * x), before, atol=1e-6, rtol=0)
    with torch.no_grad():
        classifier.weight_CE *= torch.tensor([[0.1], [2.0], [5.0], [30.0]])
    torch.testing.assert_close(classifier(x), before, atol=1e-6, rtol=0)
    own = classifier(classifier.weight_CE)
    torch.testing.assert_close(own.diagonal(), torch.ones(4), atol=1e-6, rtol=0)


def test_cosine_has_no_bias_and_begins_different_for_each_class() -> None:
    classifier = CosineClassifier(64, 5)
    assert [name for name, _ in classifier.named_parameters()] == ["weight_CE"]
    bound = (6 / (64 + 5)) ** 0.5
    assert 0.8 * bound < classifier.weight_CE.abs().max() <= bound
    assert len(classifier.weight_CE.unique(dim=0)) == 5


def test_linear_equals_the_formula() -> None:
    classifier, x = LinearClassifier(5, 3).double(), torch.randn(7, 5, dtype=torch.float64)
    torch.testing.assert_close(classifier(x), x @ classifier.weight.T + classifier.bias, atol=1e-12, rtol=0)


@pytest.mark.parametrize("kind", [CosineClassifier, LinearClassifier])
def test_learns_to_tell_directions_apart(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    label = torch.arange(60) % 3
    x = nn.functional.normalize(torch.eye(3, 8)[label] + 0.1 * torch.randn(60, 8), dim=-1)
    classifier = kind(8, 3)
    optimizer = torch.optim.SGD(classifier.parameters(), lr=1.0)
    for _ in range(40):
        nn.functional.cross_entropy(5 * classifier(x), label).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert (classifier(x).argmax(1) == label).all()


@pytest.mark.parametrize("kind", [CosineClassifier, LinearClassifier])
@pytest.mark.parametrize("weights", [torch.float32, torch.half, torch.bfloat16])
def test_scores_are_float32_whatever_the_precision(kind: type[nn.Module], weights: torch.dtype) -> None:
    torch.manual_seed(0)
    classifier = kind(64, 5).to(weights)
    # Directions so near to each other that bfloat16 knows no difference.
    x = nn.functional.normalize(torch.ones(50, 64) + 0.01 * torch.randn(50, 64), dim=1)
    expected = kind(64, 5)
    expected.load_state_dict({name: tensor.float() for name, tensor in classifier.state_dict().items()})
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = classifier(x)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, expected(x), atol=1e-6, rtol=0)
