"""Scores of ratings against the loss, the formula and simple cases."""

import math

import numpy as np
import pytest
import torch

from losses.ccc import ConcordanceLoss
from stages.metrics import concordance, mean_absolute_error

DRAW = np.random.default_rng(0)
RATED = DRAW.uniform(1, 7, 50)
PREDICTED = 0.7 * RATED + DRAW.normal(0, 1, 50)


def test_concordance_is_what_the_loss_trains_for() -> None:
    x_N1, y_N1 = (torch.from_numpy(values)[:, None] for values in (PREDICTED, RATED))
    assert concordance(PREDICTED, RATED) == pytest.approx(1 - ConcordanceLoss()(x_N1, y_N1).item(), abs=1e-12)


def test_concordance_falls_with_shift_and_scale() -> None:
    assert concordance(RATED, RATED) == pytest.approx(1)
    assert concordance(8 - RATED, RATED) == pytest.approx(-1, abs=0.05)
    assert concordance(RATED + 1, RATED) < 1
    assert concordance(4 + 0.5 * (RATED - 4), RATED) < 1


def test_mean_absolute_error() -> None:
    assert mean_absolute_error([1, 2, 3], [1, 3, 1]) == pytest.approx(1)


def test_what_cannot_be_measured_is_nan() -> None:
    assert math.isnan(concordance([], []))
    assert math.isnan(concordance([3], [3]))
    assert math.isnan(concordance([3, 3], [3, 3]))
    assert concordance([3, 3], [3, 4]) == 0
    assert math.isnan(mean_absolute_error([], []))
