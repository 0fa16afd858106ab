"""A contrastive loss that knows who speaks: clips are told apart from others of the same speaker alone."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from losses import ContrastiveBatch, ContrastiveLoss


class WithinSpeaker(ContrastiveLoss):
    """InfoNCE among the clips of each speaker, so that a voice alone tells nothing. Every clip needs a speaker."""

    required_columns = ("speaker",)

    def forward(self, pairs: ContrastiveBatch) -> Tensor:
        """Return a scalar, the same on every rank."""
        pairs = pairs.gathered()
        speaker_N = pairs.column("speaker")
        logit_NN = pairs.scale * pairs.audio_NE @ pairs.text_NE.T
        logit_NN = logit_NN.masked_fill(speaker_N[:, None] != speaker_N, -torch.inf)
        own_N = torch.arange(len(logit_NN), device=logit_NN.device)
        return (cross_entropy(logit_NN, own_N) + cross_entropy(logit_NN.T, own_N)) / 2
