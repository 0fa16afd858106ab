import math
from dataclasses import replace
from itertools import permutations

import pytest
import torch
import torch.nn.functional as F
from scipy.stats import kendalltau

from stages.errors import SettingError
from stages.metrics import ordinal
from stages.metrics.ordinal import VALUES, OrdinalConsistency
from stages.metrics.rank import OrdinalSimilarity
from stages.metrics.space_metric import SharedSpace


class Plain:
    def describe(self, valence: float, arousal: float, variant: int = 0) -> str:
        return f"{valence} {arousal} {variant}"


def embed(texts):
    """Each text on a half circle of valence, tilted by arousal."""
    numbers = torch.tensor([[float(word) for word in text.split()] for text in texts])
    return point(numbers[:, 0], numbers[:, 1])


def point(valence, arousal):
    angle, height = valence / 8 * torch.pi, arousal / 8
    return F.normalize(torch.stack([angle.cos(), angle.sin(), height], dim=1), dim=1)


def clips(n=300, wrong=0.0):
    rating = torch.rand(n, 3, generator=torch.Generator().manual_seed(0)) * 6 + 1
    audio = point(*rating[:, :2].T)
    audio = F.normalize(audio + wrong * torch.randn(n, 3, generator=torch.Generator().manual_seed(1)), dim=1)
    return SharedSpace(audio, audio, torch.arange(n), torch.arange(n), torch.full((n,), -1), rating)


def measured(shared, **settings):
    measure = OrdinalConsistency(Plain(), **settings)
    measure.start(embed)
    measure.update(shared)
    (trials,) = measure.compute().values()
    assert trials.better == "higher"
    return trials.values


def literal(shared, values, fixed, taken):
    """One list of valences, description by description."""
    ratings = []
    for value in values:
        text = embed([f"{value} {fixed} 0"])[0]
        best = max((i for i in range(len(shared.audio_NE)) if i not in taken), key=lambda i: shared.audio_NE[i] @ text)
        taken.add(best)
        ratings.append(float(shared.rating_NR[best, 0]))
    return kendalltau(values, ratings).statistic


@pytest.mark.parametrize("once", ["list", "all"])
def test_greedy_retrieval_takes_the_nearest_clip_that_is_left(once):
    shared, taken = clips(80, wrong=0.3), set()
    expected = [literal(shared, VALUES, fixed, taken if once == "all" else set()) for fixed in VALUES[:5]]
    assert measured(shared, lists=5, once=once) == pytest.approx(expected, abs=1e-10)


def test_optimal_retrieval_has_the_largest_sum_of_similarities():
    shared, values = clips(6, wrong=0.5), [2.0, 3.0, 4.0]
    similarity = embed([f"{value} 2.0 0" for value in values]) @ shared.audio_NE.T
    best = max(permutations(range(6), 3), key=lambda chosen: sum(similarity[k, c] for k, c in enumerate(chosen)))
    expected = kendalltau(values, shared.rating_NR[list(best), 0].numpy()).statistic
    assert measured(shared, lists=1, values=values, retrieve="optimal") == pytest.approx([expected])


def test_optimal_retrieval_from_all_lists_never_takes_a_clip_twice():
    """Three lists and nine clips: each clip is taken, and so the ratings of all lists are those of all clips."""
    shared, measure = clips(9), OrdinalConsistency(Plain(), "valence", 3, [1, 4, 7], "optimal", "all")
    measure.start(embed)
    assert sorted(measure._retrieve(shared.audio_NE, 9).flatten().tolist()) == list(range(9))


def test_a_space_that_is_ordered_by_emotion_is_consistent_and_a_shuffled_one_is_not():
    ordered, shared = measured(clips(2000), lists=14), clips(2000)
    assert sum(ordered) / 14 > 0.9
    shuffled = replace(shared, rating_NR=shared.rating_NR.roll(7, 0))
    assert abs(sum(measured(shuffled, lists=100)) / 100) < 0.2


def test_lists_are_those_of_the_paper():
    valence = OrdinalConsistency(Plain())
    assert valence.descriptions(0) == [f"{step / 2} 0.5 0" for step in range(1, 15)]
    assert valence.descriptions(13)[0] == "0.5 7.0 0"
    assert valence.descriptions(14)[0] == "0.5 0.5 1"
    assert valence.lists == 100
    arousal = OrdinalConsistency(Plain(), "arousal", balanced=True)
    assert arousal.descriptions(2) == [f"1.5 {step / 2} 0" for step in range(1, 15)]
    assert arousal.lists == 98


def test_the_attribute_names_the_metric_and_chooses_the_rating():
    measure = OrdinalConsistency(Plain(), "arousal", lists=14)
    measure.start(embed)
    shared = clips(500)
    measure.update(shared)
    values = measure.compute()
    assert set(values) == {"AOC"}
    measure.reset()
    rating = shared.rating_NR.clone()
    rating[:, 1] = -rating[:, 1]
    measure.update(replace(shared, rating_NR=rating))
    assert measure.compute()["AOC"].values == pytest.approx([-tau for tau in values["AOC"].values])


def test_equal_texts_are_embedded_once():
    class Blunt:
        def describe(self, valence: float, arousal: float, variant: int = 0) -> str:
            return "high" if valence > 4 else "low"

    embedded = []
    measure = OrdinalConsistency(Blunt(), lists=100)
    measure.start(lambda texts: embedded.extend(texts) or torch.eye(3)[: len(texts)])
    assert embedded == ["low", "high"]
    assert measure.row_LK.tolist() == [[0] * 8 + [1] * 6] * 100


def test_clips_without_a_rating_take_no_part():
    shared = clips(40)
    rating = torch.cat([shared.rating_NR, torch.full((40, 3), torch.nan)])
    audio = torch.cat([shared.audio_NE, shared.audio_NE.flip(0)])
    both = SharedSpace(audio, audio, torch.arange(80), torch.arange(80), torch.full((80,), -1), rating)
    assert measured(both, lists=5) == measured(shared, lists=5)


def test_constant_ratings_have_no_tau():
    shared = clips(40)
    shared.rating_NR[:] = 4
    assert all(map(math.isnan, measured(shared, lists=5)))


@pytest.mark.parametrize(("once", "n", "needed"), [("list", 13, 14), ("all", 69, 70), ("list", 0, 14)])
def test_too_few_clips_give_nan_and_the_reason(once, n, needed, monkeypatch):
    said = []
    monkeypatch.setattr(ordinal, "rank_zero_warn", said.append)
    values = measured(clips(n), lists=5, once=once)
    assert len(values) == 5
    assert all(map(math.isnan, values))
    assert said == [
        f"VOC cannot be measured: {needed} different clips with a rating of valence are needed, there are {n}"
    ]


def test_without_descriptions_it_says_what_to_call():
    measure = OrdinalConsistency(Plain())
    measure.update(clips())
    with pytest.raises(RuntimeError, match="call it before compute"):
        measure.compute()


@pytest.mark.parametrize("setting", [{"lists": 0}, {"values": [4.0]}, {"values": [4.0, 4.0]}])
def test_settings_out_of_range_are_named(setting):
    with pytest.raises(SettingError, match=next(iter(setting))):
        OrdinalConsistency(Plain(), **setting)


def test_ratings_are_kept_as_they_are_beside_embeddings_of_half_precision():
    shared = clips(40)
    shared.rating_NR[:] = 3 + torch.arange(40)[:, None] / 1000
    half = replace(shared, audio_NE=shared.audio_NE.bfloat16(), text_NE=shared.text_NE.bfloat16())
    for measure, width in ((OrdinalConsistency(Plain()), 1), (OrdinalSimilarity(), 2)):
        measure.update(half)
        assert torch.equal(measure.gathered()[:, -width:], shared.rating_NR[:, :width])
