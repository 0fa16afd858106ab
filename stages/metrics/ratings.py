"""Scores of dimensional emotion recognition: predicted and given ratings of one dimension.

Both are vectors of N numbers on one scale. Scores are NaN where they are undefined.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from stages.metrics.space_metric import Better


def concordance(predicted: ArrayLike, rated: ArrayLike) -> float:
    """Return CCC: the concordance correlation coefficient, in [-1, 1]; NaN below two clips, or without variance.

    Reference: Lin, "A concordance correlation coefficient to evaluate reproducibility", Biometrics 45, 1989.
    """
    x_N = np.asarray(predicted, dtype=np.float64)
    y_N = np.asarray(rated, dtype=np.float64)
    if len(x_N) < 2:
        return float("nan")
    apart = x_N.var() + y_N.var() + (x_N.mean() - y_N.mean()) ** 2
    covariance = ((x_N - x_N.mean()) * (y_N - y_N.mean())).mean()
    return float(2 * covariance / apart) if apart > 0 else float("nan")


def mean_absolute_error(predicted: ArrayLike, rated: ArrayLike) -> float:
    """Return MAE, on the scale of the ratings; NaN without clips."""
    apart_N = np.abs(np.asarray(predicted, dtype=np.float64) - np.asarray(rated, dtype=np.float64))
    return float(apart_N.mean()) if len(apart_N) else float("nan")


class RatingScore(NamedTuple):
    """A function of predicted and given ratings, its name, and which values are good."""

    name: str
    of: Callable[[ArrayLike, ArrayLike], float]
    better: Better


# In the order of results and reports, each followed by the name of the dimension.
RATING_SCORES = (RatingScore("CCC", concordance, "higher"), RatingScore("MAE", mean_absolute_error, "lower"))
