import doctest

import pytest
import torch

from stages.metrics import emotion
from stages.metrics.confusion import confusion_matrix, scores
from stages.metrics.emotion import EmotionMetrics

LABELS = ["anger", "happiness", "neutral", "sadness"]
TRUTH = torch.tensor([0, 0, 1, 1, 2, 2, 0, 1, 0])
PREDICTED = torch.tensor([0, 0, 1, 3, 2, 3, 1, 1, 2])
EXPECTED = scores(confusion_matrix(TRUTH, PREDICTED, 4))


def values(metrics):
    return {name: value.item() for name, value in metrics.compute().items()}


@pytest.mark.parametrize("size", [1, 4, 9])
def test_batches_add_up_to_the_whole(size):
    metrics = EmotionMetrics(LABELS)
    for predicted, truth in zip(PREDICTED.split(size), TRUTH.split(size), strict=True):
        metrics.update(predicted, truth)
    assert values(metrics) == pytest.approx(EXPECTED)
    assert metrics.confusion.tolist() == confusion_matrix(TRUTH, PREDICTED, 4).tolist()


def test_ranks_add_up_to_the_whole():
    """Merging states applies the reduction that synchronisation over ranks applies."""
    first, second = EmotionMetrics(LABELS), EmotionMetrics(LABELS)
    first.update(PREDICTED[:2], TRUTH[:2])
    second.update(PREDICTED[2:], TRUTH[2:])
    first.merge_state(second)
    assert values(first) == pytest.approx(EXPECTED)


def test_reset_forgets():
    metrics = EmotionMetrics(LABELS)
    metrics.update(PREDICTED, TRUTH)
    metrics.reset()
    metrics.update(TRUTH, TRUTH)
    assert values(metrics) == {"WA": 1, "UA": 1, "WF1": 1, "precision": 1, "n": 9, "classes": 3}


def test_calling_it_scores_the_batch_and_keeps_the_whole():
    metrics = EmotionMetrics(LABELS)
    metrics(PREDICTED[:2], TRUTH[:2])
    assert metrics(TRUTH[2:], TRUTH[2:])["WA"] == 1
    assert metrics.compute()["n"] == 9


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric EmotionMetrics was called before")
def test_without_clips_scores_are_not_a_number():
    assert values(EmotionMetrics(LABELS))["UA"] != values(EmotionMetrics(LABELS))["UA"]


def test_an_index_without_label_is_refused():
    with pytest.raises(ValueError, match="a predicted label has index 4; expected 0 to 3"):
        EmotionMetrics(LABELS).update(torch.tensor([4]), torch.tensor([0]))


@pytest.mark.parametrize("labels", [[], ["anger", "fear", "anger"]])
def test_labels_are_distinct_and_there_is_one(labels):
    with pytest.raises(ValueError, match="expected at least one, and each only once"):
        EmotionMetrics(labels)


def test_example_in_the_docstring():
    assert doctest.testmod(emotion).failed == 0
    assert doctest.testmod(emotion).attempted > 0
