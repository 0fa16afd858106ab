"""Recognisers without a stage: what each says of embeddings, and how often an encoder runs."""

import pytest
import torch
from torch import Tensor

from models.audio import AudioEncoder
from models.classifier import CosineClassifier, LinearClassifier
from models.errors import LabelError
from models.projection import unit
from models.recognition import (
    ClipEncoder,
    Clips,
    Dimensional,
    LearnedPrompts,
    LinearRecogniser,
    RatingHead,
    Ratings,
    Scores,
    columns_of,
    embed,
    recognise,
    zero_shot,
)

LABELS = ("anger", "happiness", "sadness")


class Counted(AudioEncoder):
    """The mean and the spread of a clip; counts how often it runs."""

    sample_rate, width = 16000, 2

    def __init__(self) -> None:
        super().__init__()
        self.runs = 0

    def forward(self, wave_NT: Tensor, length_N: Tensor) -> Tensor:
        self.runs += 1
        return torch.stack([wave_NT.mean(1), wave_NT.std(1)], dim=1)


def clips(count: int = 4, features: dict[str, Tensor] | None = None) -> Clips:
    wave = torch.randn(count, 80, generator=torch.Generator().manual_seed(0))
    return {"wave": wave, "length": torch.full((count,), 80), "features": features or {}}


def texts_in_the_plane(texts: list[str]) -> Tensor:
    """Angles by the texts' lengths."""
    angle_N = torch.tensor([float(len(text)) for text in texts])
    return torch.stack([angle_N.cos(), angle_N.sin()], dim=1)


def test_one_encoder_runs_once_for_all_recognisers_of_a_model() -> None:
    tower = Counted()
    encoder = ClipEncoder(tower, unit)
    prompt_KCE = unit(torch.randn(5, 3, 2))
    recognisers = [
        *zero_shot(encoder, texts_in_the_plane, LABELS, LABELS),
        LearnedPrompts(encoder, LABELS, prompt_KCE),
        LinearRecogniser(encoder, LABELS, CosineClassifier(2, 3), [0, 1, 2]),
    ]
    outputs = recognise(recognisers, clips())
    assert tower.runs == 1
    assert list(outputs) == [
        "zero-shot",
        "zero-shot ensemble",
        "zero-shot words",
        "ACPT prompts",
        "text-trained classifier",
    ]
    embedding_NE = embed(recognisers, clips())[encoder]
    expected = embedding_NE @ texts_in_the_plane([f"this is a sound of {label}" for label in LABELS]).T
    first = outputs["zero-shot"]
    assert isinstance(first, Scores)
    assert first.labels == LABELS
    torch.testing.assert_close(first.value, expected)


def test_an_encoder_takes_kept_features_and_does_not_run() -> None:
    tower = Counted()
    kept = torch.tensor([[3.0, 4.0]])
    found = ClipEncoder(tower, unit)(clips(1, {"audio": kept}))
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.8]]))
    assert tower.runs == 0


def test_no_clips_give_no_rows_but_all_columns() -> None:
    tower = Counted()
    encoder = ClipEncoder(tower)
    outputs = recognise([Dimensional(encoder, RatingHead(2))], clips(0))
    ratings = outputs["dimensional"]
    assert isinstance(ratings, Ratings)
    assert ratings.value.shape == (0, 3)
    assert tower.runs == 0


def test_some_classes_have_the_scores_that_they_have_among_all() -> None:
    torch.manual_seed(0)
    encoder, classifier = ClipEncoder(Counted()), LinearClassifier(2, 3)
    columns = columns_of(["sadness", "anger"], LABELS)
    some = LinearRecogniser(encoder, ["sadness", "anger"], classifier, columns)
    embedding_NE = torch.randn(6, 2)
    scores = some(embedding_NE)
    torch.testing.assert_close(scores.value, classifier(embedding_NE)[:, [2, 0]])
    assert (scores.labels, scores.unit) == (("sadness", "anger"), "logit")


def test_a_class_that_the_model_was_not_trained_for_is_named() -> None:
    with pytest.raises(LabelError, match=r"fear is no class of .* \(anger, happiness, sadness\).*leave fear out"):
        columns_of(["anger", "fear"], LABELS)


def test_an_untrained_head_rates_about_the_middle_of_the_scale() -> None:
    head = RatingHead(8)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    assert head(torch.randn(2, 8)).tolist() == [[4.0] * 3] * 2
