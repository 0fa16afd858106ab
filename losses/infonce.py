"""Symmetric InfoNCE between clips and captions, computed on the distinct captions."""

from typing import Literal

import torch
from torch import Tensor, nn

from losses.errors import LossSettingError
from losses.gather import gather
from losses.similarity import similarity


class InfoNCE(nn.Module):
    """Mean of the audio-to-text and the text-to-audio cross-entropy over the batch of all ranks.

    Captions of emotions repeat: a batch of N clips has N captions, few of them distinct. The N x N logits then have
    equal columns, and the N x U logits of the U distinct captions with their counts give the same value and the same
    gradients: a caption seen n times adds ``log n`` to its logit in the audio-to-text denominator.

    With captions that are a function of the label, both targets are the same loss: columns of equal captions share
    one embedding, so sharing the positive's mass among them changes neither value nor gradient. They differ once a
    label has several captions. In both, the value cannot fall below the entropy of the shared mass: ``log n`` for
    a caption seen n times, ``log(N / U)`` when the U captions are balanced, and never 0 when captions repeat.

    Args:
        targets: ``identity`` makes the clip's own caption the positive (the paper). ``label`` shares the mass evenly
            over the pairs of the batch whose captions have the same label.

    Raises:
        LossSettingError: If ``targets`` is neither.

    Reference: CLEP-DG, section 3.3, with the minus sign that the printed formula lacks; van den Oord et al.,
    "Representation Learning with Contrastive Predictive Coding", 2018.
    """

    def __init__(self, targets: Literal["identity", "label"] = "identity") -> None:
        super().__init__()
        if targets not in ("identity", "label"):
            raise LossSettingError(f"InfoNCE: targets is {targets!r}; expected 'identity' or 'label'")
        self.targets = targets

    def forward(
        self, audio_NE: Tensor, text_UE: Tensor, caption_N: Tensor, scale: Tensor, label_U: Tensor | None = None
    ) -> Tensor:
        """Return a non-negative scalar, the same on every rank.

        Args:
            audio_NE: Unit embeddings of this rank's clips.
            text_UE: Unit embeddings of distinct captions, the same table on every rank. Rows that no clip of the
                batch uses have no part in the loss.
            caption_N: int64, the row of ``text_UE`` that is each clip's caption.
            scale: 0-d, one over the temperature (already exponentiated).
            label_U: int64, the label of each caption, for ``targets="label"``; None makes each caption a label.
        """
        audio_NE, caption_N = gather(audio_NE), gather(caption_N)
        logit_NU = scale * similarity(audio_NE, text_UE)
        caption_U = torch.arange(len(text_UE), device=caption_N.device)
        count_U = (caption_N[:, None] == caption_U).sum(0).to(logit_NU.dtype)

        # log 0 = -inf takes a caption that is absent from the batch out of the denominator.
        text_N = (logit_NU + count_U.log()).logsumexp(1)
        audio_N = logit_NU.logsumexp(0)[caption_N]
        group_U = caption_U if self.targets == "identity" or label_U is None else label_U
        mass_NU = (group_U[caption_N, None] == group_U) * count_U
        mass_NU = mass_NU / mass_NU.sum(1, keepdim=True)
        # Summed over the batch, both directions give the same weight to each logit of a positive pair.
        positive_N = (mass_NU * logit_NU).sum(1)
        return ((text_N - positive_N) + (audio_N - positive_N)).mean() / 2
