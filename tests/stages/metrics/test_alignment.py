import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from stages.errors import SettingError
from stages.metrics import alignment
from stages.metrics.alignment import Alignment
from stages.metrics.distances import centroid_gap, dimension_wasserstein, median_bandwidth, mmd2, sliced_wasserstein
from stages.metrics.space_metric import SharedSpace


def pairs(n=60, gap=0.5):
    draw = torch.Generator().manual_seed(0)
    audio, text = F.normalize(torch.randn(2, n, 6, generator=draw), dim=-1)
    text = F.normalize(text + gap, dim=-1)
    clip = torch.randperm(n, generator=draw) - n // 2
    return SharedSpace(audio, text, clip, torch.arange(n), torch.full((n,), -1), torch.full((n, 3), torch.nan))


def measured(clips, *, batches=(None,), **settings):
    measure = Alignment(**{"trials": 4, "pairs": 20, "projections": 16, **settings})
    for rows in batches:
        rows = slice(None) if rows is None else rows
        measure.update(SharedSpace(*(getattr(clips, name)[rows] for name in SharedSpace.__dataclass_fields__)))
    measured = measure.compute()
    assert {trials.better for trials in measured.values()} == {"lower"}
    return {name: trials.values for name, trials in measured.items()}


def test_a_trial_measures_a_sample_of_pairs():
    clips, measure = pairs(), Alignment(trials=3, pairs=20, projections=16, seed=4)
    measure.update(clips)
    order = clips.clip_N.argsort()
    audio, text = clips.audio_NE[order], clips.text_NE[order]
    draw = torch.Generator().manual_seed(4)
    rows = torch.randperm(60, generator=draw)[:20]
    square = mmd2(audio[rows], text[rows], median_bandwidth(torch.cat([audio, text])))
    values = {name: trials.values[0] for name, trials in measure.compute().items()}
    assert values == pytest.approx(
        {
            "MMD": square**0.5,
            "MMD2": square,
            "sliced W2": sliced_wasserstein(audio[rows], text[rows], 16, seed=4),
            "dimension W1": dimension_wasserstein(audio[rows], text[rows]),
            "centroid gap": centroid_gap(audio[rows], text[rows]),
        },
        abs=1e-5,
    )


def test_trials_differ_and_follow_the_seed():
    values = measured(pairs())
    assert all(len(set(trials)) == 4 for trials in values.values())
    assert measured(pairs()) == values
    assert measured(pairs(), seed=1) != values


def test_batches_and_their_order_change_nothing():
    shuffled = torch.randperm(60, generator=torch.Generator().manual_seed(3))
    assert measured(pairs(), batches=[shuffled[:7], shuffled[7:50], shuffled[50:]]) == measured(pairs())


def test_trials_of_two_systems_are_samples_of_the_same_clips():
    """A rotation of the space moves no two points apart: trial by trial it measures the same."""
    clips = pairs(200)
    turn = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(1)))[0]
    turned = replace(clips, audio_NE=clips.audio_NE @ turn, text_NE=clips.text_NE @ turn)
    before, after = (measured(each, trials=30, pairs=50) for each in (clips, turned))
    for name in ("MMD2", "centroid gap"):
        assert after[name] == pytest.approx(before[name], abs=1e-5)
        assert np.corrcoef(before[name], after[name])[0, 1] > 0.999


def test_a_wider_gap_measures_more():
    near, far = measured(pairs(gap=0.1)), measured(pairs(gap=2.0))
    assert all(max(near[name]) < min(far[name]) for name in near)


def test_a_negative_square_has_root_zero():
    values = measured(pairs(gap=0.0), trials=20)
    assert min(values["MMD2"]) < 0
    assert [root == 0 for root in values["MMD"]] == [square <= 0 for square in values["MMD2"]]


def test_with_few_pairs_each_trial_draws_four_fifths_and_says_so(monkeypatch):
    said = []
    monkeypatch.setattr(alignment, "rank_zero_info", said.append)
    values = measured(pairs(10))
    assert len(set(values["centroid gap"])) == 4
    assert said == ["alignment: there are 10 pairs; each of the 4 trials draws 8 of them"]


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric Alignment was called before")
def test_too_few_pairs_give_nan_in_each_trial(n):
    values = measured(pairs(n), batches=[None] if n else [], exact=None)
    assert set(values) == {"MMD", "MMD2", "sliced W2", "dimension W1", "centroid gap"}
    assert all(len(trials) == 4 and all(map(math.isnan, trials)) for trials in values.values())


def test_one_embedding_for_all_is_perfectly_aligned():
    clips = pairs()
    same = clips.audio_NE[:1].expand(60, -1)
    values = measured(replace(clips, audio_NE=same, text_NE=same))
    assert all(trials == pytest.approx([0] * 4, abs=1e-6) for trials in values.values())


def test_exact_distance_of_a_part_of_the_sample():
    pytest.importorskip("ot")
    values = measured(pairs(), exact=10)
    assert len(values["exact W2"]) == 4
    assert min(values["exact W2"]) > max(values["sliced W2"])


@pytest.mark.parametrize("setting", [{"trials": 0}, {"pairs": 1}, {"projections": 0}, {"exact": 1}])
def test_settings_out_of_range_are_named(setting):
    with pytest.raises(SettingError, match=next(iter(setting))) as caught:
        Alignment(**setting)
    assert caught.value.exit_code == 2
