"""What stages log and reports recompute: one formula, one place."""

from stages.metrics.alignment import Alignment
from stages.metrics.confusion import (
    SCORES,
    ClassScore,
    confusion_matrix,
    scores,
    unweighted_accuracy,
    weighted_accuracy,
    weighted_f1,
    weighted_precision,
)
from stages.metrics.discrepancy import centroid_gap, median_bandwidth, mmd2, mmd2_of_samples
from stages.metrics.emotion import EmotionMetrics
from stages.metrics.neighbourhood import OrdinalSimilarity
from stages.metrics.ordinal import OrdinalConsistency
from stages.metrics.rank import kendall_tau, spearman_rho
from stages.metrics.ratings import RATING_SCORES, concordance, mean_absolute_error
from stages.metrics.retrieval import Retrieval
from stages.metrics.space_metric import Better, GatheredMetric, SharedSpace, SpaceMetric, Trials
from stages.metrics.wasserstein import dimension_wasserstein, exact_wasserstein, sliced_wasserstein

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
