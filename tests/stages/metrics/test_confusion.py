import doctest
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, precision_score
from sklearn.metrics import confusion_matrix as sklearn_confusion_matrix

from stages.metrics import confusion
from stages.metrics.confusion import EmotionMetrics, confusion_matrix, scores, unweighted_accuracy

CLASSES = 5
PAIRS = st.lists(st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=40)


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.filterwarnings("ignore:A single label was found")
@settings(deadline=None, max_examples=200)
@given(pairs=PAIRS)
def test_equal_scikit_learn_with_absent_and_only_predicted_classes(pairs):
    truth, predicted = zip(*pairs, strict=True)
    counts = confusion_matrix(truth, predicted, CLASSES)
    assert (counts == sklearn_confusion_matrix(truth, predicted, labels=range(CLASSES))).all()
    assert scores(counts) == pytest.approx(
        {
            "WA": accuracy_score(truth, predicted),
            "UA": balanced_accuracy_score(truth, predicted),
            "WF1": f1_score(truth, predicted, average="weighted", zero_division=0),
            "precision": precision_score(truth, predicted, average="weighted", zero_division=0),
            "n": len(pairs),
            "classes": len(set(truth)),
        },
        abs=1e-12,
    )


@settings(deadline=None, max_examples=50)
@given(pairs=PAIRS, order=st.permutations(range(CLASSES)), clips=st.randoms())
def test_names_of_classes_and_order_of_clips_are_irrelevant(pairs, order, clips):
    renamed = [(order[truth], order[predicted]) for truth, predicted in pairs]
    clips.shuffle(renamed)
    before, after = (scores(confusion_matrix(*np.array(p).T, CLASSES)) for p in (pairs, renamed))
    assert before == pytest.approx(after, abs=1e-12)
    assert all(0 <= before[name] <= 1 for name in ("WA", "UA", "WF1", "precision"))


def test_a_class_that_is_only_predicted_is_no_class_to_recall():
    """Recalls 1, 0.5 and 0.5 have the mean 2/3; counting the predicted-only class as a recall of 0 gives 0.5."""
    counts = confusion_matrix([0, 0, 1, 1, 2, 2], [0, 0, 1, 3, 2, 3], 4)
    assert unweighted_accuracy(counts) == pytest.approx(2 / 3)
    assert unweighted_accuracy(counts[:, [3, 0, 1, 2]][[3, 0, 1, 2]]) == pytest.approx(2 / 3)


def test_always_answering_the_commonest_class_has_chance_unweighted_accuracy():
    values = scores(confusion_matrix([0] * 90 + [1] * 10, [0] * 100, 2))
    assert (values["WA"], values["UA"]) == (pytest.approx(0.9), pytest.approx(0.5))


def test_without_clips_scores_are_not_a_number():
    values = scores(confusion_matrix([], [], 3))
    assert (values.pop("n"), values.pop("classes")) == (0, 0)
    assert len(values) == 4
    assert all(math.isnan(value) for value in values.values())


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [
        ([0, 1], [0], "2 true labels, but 1 predicted"),
        ([0, 3], [0, 1], "a true label has index 3; expected 0 to 2"),
        ([0, 1], [-1, 1], "a predicted label has index -1; expected 0 to 2"),
    ],
)
def test_what_cannot_be_counted_is_refused(truth, predicted, message):
    with pytest.raises(ValueError, match=message):
        confusion_matrix(truth, predicted, 3)


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
def test_without_clips_accumulated_scores_are_not_a_number():
    assert values(EmotionMetrics(LABELS))["UA"] != values(EmotionMetrics(LABELS))["UA"]


def test_an_index_without_label_is_refused():
    with pytest.raises(ValueError, match="a predicted label has index 4; expected 0 to 3"):
        EmotionMetrics(LABELS).update(torch.tensor([4]), torch.tensor([0]))


@pytest.mark.parametrize("labels", [[], ["anger", "fear", "anger"]])
def test_labels_are_distinct_and_there_is_one(labels):
    with pytest.raises(ValueError, match="expected at least one, and each only once"):
        EmotionMetrics(labels)


def test_example_in_the_docstring():
    assert doctest.testmod(confusion).failed == 0
    assert doctest.testmod(confusion).attempted > 0
