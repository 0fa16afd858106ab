"""Metrics that stages log and reports recompute."""

from stages.metrics.alignment import Alignment
from stages.metrics.confusion import (
    SCORES,
    ClassScore,
    EmotionMetrics,
    confusion_matrix,
    scores,
    unweighted_accuracy,
    weighted_accuracy,
    weighted_f1,
    weighted_precision,
)
from stages.metrics.distances import (
    centroid_gap,
    dimension_wasserstein,
    exact_wasserstein,
    median_bandwidth,
    mmd2,
    mmd2_of_samples,
    sliced_wasserstein,
)
from stages.metrics.ordinal import OrdinalConsistency
from stages.metrics.rank import OrdinalSimilarity, kendall_tau, spearman_rho
from stages.metrics.ratings import RATING_SCORES, concordance, mean_absolute_error
from stages.metrics.retrieval import Retrieval
from stages.metrics.space_metric import Better, GatheredMetric, SharedSpace, SpaceMetric, Trials

__all__ = [
    "RATING_SCORES",
    "SCORES",
    "Alignment",
    "Better",
    "ClassScore",
    "EmotionMetrics",
    "GatheredMetric",
    "OrdinalConsistency",
    "OrdinalSimilarity",
    "Retrieval",
    "SharedSpace",
    "SpaceMetric",
    "Trials",
    "centroid_gap",
    "concordance",
    "confusion_matrix",
    "dimension_wasserstein",
    "exact_wasserstein",
    "kendall_tau",
    "mean_absolute_error",
    "median_bandwidth",
    "mmd2",
    "mmd2_of_samples",
    "scores",
    "sliced_wasserstein",
    "spearman_rho",
    "unweighted_accuracy",
    "weighted_accuracy",
    "weighted_f1",
    "weighted_precision",
]
