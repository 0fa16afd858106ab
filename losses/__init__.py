"""Objectives: tensors in, a scalar out. Nothing here knows a corpus, a configuration or a logger."""

from losses.arcface import ArcFaceLoss
from losses.diversity import ContextDiversity, mean_pairwise_cosine
from losses.gather import gather
from losses.infonce import InfoNCE
from losses.prompt_ranking import PromptCrossEntropy, PromptRanking

__all__ = [
    "ArcFaceLoss",
    "ContextDiversity",
    "InfoNCE",
    "PromptCrossEntropy",
    "PromptRanking",
    "gather",
    "mean_pairwise_cosine",
]
