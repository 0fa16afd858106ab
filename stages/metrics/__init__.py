"""What stages log and reports recompute: one formula, one place."""

from stages.metrics.confusion import (
    confusion_matrix,
    scores,
    unweighted_accuracy,
    weighted_accuracy,
    weighted_f1,
    weighted_precision,
)
from stages.metrics.emotion import EmotionMetrics

__all__ = [
    "EmotionMetrics",
    "confusion_matrix",
    "scores",
    "unweighted_accuracy",
    "weighted_accuracy",
    "weighted_f1",
    "weighted_precision",
]
