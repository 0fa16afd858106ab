"""Objectives: tensors in, a scalar out. Nothing here knows a corpus, a configuration or a logger.

A tensor's name ends in its shape, a letter for each size: ``audio_NE`` has N clips of E dimensions. The letters are
listed in docs/architecture.md.
"""

from losses.arcface import ArcFaceLoss
from losses.batch import ContrastiveBatch, ContrastiveLoss
from losses.ccc import ConcordanceLoss
from losses.gather import gather
from losses.infonce import InfoNCE
from losses.prompts import ContextDiversity, PromptCrossEntropy, PromptRanking, mean_pairwise_cosine
from losses.rank_n_contrast import RankNContrast
from losses.siglip import SigLip
from losses.soft_targets import SoftTargets
from losses.supcon import SupCon

__all__ = [
    "ArcFaceLoss",
    "ConcordanceLoss",
    "ContextDiversity",
    "ContrastiveBatch",
    "ContrastiveLoss",
    "InfoNCE",
    "PromptCrossEntropy",
    "PromptRanking",
    "RankNContrast",
    "SigLip",
    "SoftTargets",
    "SupCon",
    "gather",
    "mean_pairwise_cosine",
]
