import math

import pytest
import torch
import torch.nn.functional as F
from scipy.stats import spearmanr

from stages.errors import SettingError
from stages.metrics.neighbourhood import OrdinalSimilarity
from stages.metrics.space_metric import SharedSpace


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
