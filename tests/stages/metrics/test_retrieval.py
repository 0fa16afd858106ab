import math

import numpy as np
import pytest
import torch

from stages.errors import SettingError
from stages.metrics import retrieval
from stages.metrics.retrieval import Retrieval
from stages.metrics.space_metric import SharedSpace


def shared(audio, text, caption):
    n = len(audio)
    return SharedSpace(audio, text, torch.arange(n), caption, torch.full((n,), -1), torch.full((n, 3), torch.nan))


def example(n=40, captions=6, noise=0.5):
    draw = torch.Generator().manual_seed(0)
    caption = torch.randint(captions, (n,), generator=draw)
    text = torch.nn.functional.normalize(torch.randn(captions, 5, generator=draw), dim=1)[caption]
    audio = torch.nn.functional.normalize(text + noise * torch.randn(n, 5, generator=draw), dim=1)
    return shared(audio, text, caption * 2**50)


def literal(similarity, hit):
    """First rank and AP@10 of each query by sorting: nearest first, and misses before hits of the same similarity."""
    first, precision = [], []
    for row, hits in zip(similarity.tolist(), hit.tolist(), strict=True):
        order = sorted(range(len(row)), key=lambda item: (-row[item], hits[item]))
        found = [hits[item] for item in order]
        first.append(1 + found.index(True))
        top = found[:10]
        precisions = [sum(top[: k + 1]) / (k + 1) for k in range(len(top)) if top[k]]
        precision.append(sum(precisions) / min(10, sum(hits)))
    return np.array(first), np.array(precision)


@pytest.mark.parametrize("captions", [3, 6, 40])
def test_both_ways_against_sorting(captions, monkeypatch):
    monkeypatch.setattr(retrieval, "BLOCK", 7)
    clips = example(captions=captions)
    measure = Retrieval(ks=(1, 3))
    measure.update(clips)
    trials = measure.compute()
    assert {name for name, found in trials.items() if found.better == "lower"} == {
        "median rank audio to text",
        "median rank text to audio",
    }
    values = {name: found.values for name, found in trials.items()}
    distinct, row = np.unique(clips.caption_N.numpy(), return_index=True)
    similarity = clips.audio_NE @ clips.text_NE[row].T
    hit = clips.caption_N.numpy()[:, None] == distinct
    for way, first, precision in (
        ("audio to text", *literal(similarity, hit)),
        ("text to audio", *literal(similarity.T, hit.T)),
    ):
        assert values[f"R@1 {way}"] == pytest.approx([(first <= 1).mean()])
        assert values[f"R@3 {way}"] == pytest.approx([(first <= 3).mean()])
        assert values[f"median rank {way}"] == pytest.approx([np.median(first)])
        assert values[f"mAP@10 {way}"] == pytest.approx([precision.mean()])
    assert len(values) == 8


def test_ties_count_against_the_hit():
    draw = torch.Generator().manual_seed(0)
    similarity = torch.randint(3, (30, 25), generator=draw).float()
    hit = torch.rand(30, 25, generator=draw) < 0.3
    hit[:, 0] = True
    first, precision = retrieval.ranks(similarity, hit)
    expected_first, expected_precision = literal(similarity, hit)
    assert first.tolist() == expected_first.tolist()
    assert precision.tolist() == pytest.approx(expected_precision.tolist(), abs=1e-6)


def test_one_embedding_for_all_finds_nothing():
    same = torch.ones(12, 3)
    measure = Retrieval()
    measure.update(shared(same, same, torch.arange(12)))
    values = measure.compute()
    assert values["R@10 audio to text"].values == [0]
    assert values["median rank text to audio"].values == [12]


def test_perfect_pairs_are_all_found_first():
    measure = Retrieval()
    measure.update(shared(torch.eye(5), torch.eye(5), torch.tensor([2**62, -1, 0, 5, 7])))
    assert all(trials.values == [1.0] for trials in measure.compute().values())


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric Retrieval was called before")
def test_without_clips_everything_is_nan():
    values = Retrieval().compute()
    assert len(values) == 10
    assert all(math.isnan(value) for (value,), _ in values.values())


@pytest.mark.parametrize("ks", [(), (0, 1)])
def test_settings_out_of_range_are_named(ks):
    with pytest.raises(SettingError, match="ks must be"):
        Retrieval(ks)
