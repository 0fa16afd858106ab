import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import kendalltau, spearmanr

from stages.errors import SettingError
from stages.metrics.rank import OrdinalSimilarity, kendall_tau, spearman_rho
from stages.metrics.space_metric import SharedSpace


def literal_tau_a(x, y):
    n = len(x)
    return sum(np.sign(x[i] - x[j]) * np.sign(y[i] - y[j]) for i in range(n) for j in range(i)) / (n * (n - 1) / 2)


@pytest.mark.parametrize("levels", [3, 1000], ids=["ties", "no ties"])
def test_kendall_tau_of_each_list(levels):
    draw = torch.Generator().manual_seed(0)
    x, y = (torch.randint(levels, (20, 14), generator=draw).double() for _ in range(2))
    tau_b = [kendalltau(a, b).statistic for a, b in zip(x.numpy(), y.numpy(), strict=True)]
    tau_a = [literal_tau_a(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    assert kendall_tau(x, y).tolist() == pytest.approx(tau_b, abs=1e-10)
    assert kendall_tau(x, y, "a").tolist() == pytest.approx(tau_a, abs=1e-10)


@pytest.mark.parametrize("variant", ["a", "b"])
def test_order_and_its_reverse(variant):
    x = torch.arange(5.0)[None]
    assert kendall_tau(x, x.exp(), variant).tolist() == [1]
    assert kendall_tau(x, -x, variant).tolist() == [-1]


@pytest.mark.parametrize("variant", ["a", "b"])
def test_a_constant_list_has_no_tau_and_leaves_the_others_alone(variant):
    x = torch.arange(3.0).expand(2, -1)
    tau = kendall_tau(x, torch.tensor([[4.0, 4.0, 4.0], [1.0, 2.0, 3.0]]), variant)
    assert tau.isnan().tolist() == [True, False]
    assert tau[1] == 1


@pytest.mark.parametrize("levels", [3, 1000])
def test_spearman_rho(levels):
    draw = torch.Generator().manual_seed(0)
    x, y = (torch.randint(levels, (60,), generator=draw).float() for _ in range(2))
    assert spearman_rho(x, y) == pytest.approx(spearmanr(x.numpy(), y.numpy()).statistic, abs=1e-10)


def test_constant_values_have_no_rho():
    assert np.isnan(spearman_rho(torch.ones(5), torch.arange(5.0)))
    assert np.isnan(spearman_rho(torch.empty(0), torch.empty(0)))


def clips(n=30, noise=0.3):
    draw = torch.Generator().manual_seed(0)
    rating = torch.rand(n, 3, generator=draw) * 6 + 1
    audio, text = (F.normalize(rating + noise * torch.randn(n, 3, generator=draw) - 4, dim=1) for _ in range(2))
    return SharedSpace(audio, text, torch.arange(n), torch.arange(n), torch.full((n,), -1), rating)


def measured(shared, **settings):
    measure = OrdinalSimilarity(**settings)
    measure.update(shared)
    ((value,), better) = measure.compute()["similarity-distance rho"]
    assert better == "higher"
    return value


def test_over_all_pairs():
    shared = clips()
    cosine = [float(audio @ text) for audio in shared.audio_NE for text in shared.text_NE]
    nearness = [-math.dist(a, b) for a in shared.rating_NR[:, :2].tolist() for b in shared.rating_NR[:, :2].tolist()]
    assert measured(shared) == pytest.approx(spearmanr(cosine, nearness).statistic, abs=1e-4)


def test_a_sample_of_pairs_is_near_and_follows_the_seed():
    shared = clips(200)
    whole = measured(shared)
    sample = measured(shared, pairs=20_000)
    assert sample != whole
    assert sample == pytest.approx(whole, abs=0.03)
    assert measured(shared, pairs=20_000) == sample
    assert measured(shared, pairs=20_000, seed=1) != sample


def test_clips_without_ratings_take_no_part():
    shared = clips()
    shared.rating_NR[3, 1] = torch.nan
    keep = torch.arange(30) != 3
    rated = SharedSpace(*(getattr(shared, name)[keep] for name in SharedSpace.__dataclass_fields__))
    assert measured(shared) == measured(rated)


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric OrdinalSimilarity was called before")
def test_without_contrast_it_is_nan():
    shared = clips()
    shared.rating_NR[:] = 4
    assert math.isnan(measured(shared))
    assert math.isnan(OrdinalSimilarity().compute()["similarity-distance rho"].values[0])


def test_settings_out_of_range_are_named():
    with pytest.raises(SettingError, match="pairs must be at least 2"):
        OrdinalSimilarity(pairs=1)
