"""Symmetric InfoNCE between clips and captions, computed on the distinct captions."""

from typing import Literal

from torch import Tensor

from losses.batch import ContrastiveBatch, ContrastiveLoss
from losses.errors import LossInputError, one_of
from losses.logits import CaptionLogits


class InfoNCE(ContrastiveLoss):
    """Mean of the audio-to-text and the text-to-audio cross-entropy over the batch of all ranks.

    Captions of emotions repeat: a batch of N clips has N captions, few of them distinct. The N x N logits then have
    equal columns, and the N x U logits of the U distinct captions with their counts give the same value and the same
    gradients.

    With captions that are a function of the label, both targets are the same loss: columns of equal captions share
    one embedding, so sharing the positive's mass among them changes neither value nor gradient. They differ once a
    label has several captions. In both, the value cannot fall below the entropy of the shared mass: ``log n`` for
    a caption seen n times, ``log(N / U)`` when the U captions are balanced, and never 0 when captions repeat.

    Args:
        targets: ``identity`` makes the clip's own caption the positive (the paper). ``label`` shares the mass evenly
            over the pairs of the batch that have the same label; a clip without a label has its own caption
            as its positive.

    Raises:
        LossSettingError: If ``targets`` is neither.

    Reference: CLEP-DG, section 3.3, with the minus sign that the printed formula lacks; van den Oord et al.,
    "Representation Learning with Contrastive Predictive Coding", 2018.
    """

    def __init__(self, targets: Literal["identity", "label"] = "identity") -> None:
        super().__init__()
        one_of("InfoNCE: targets", targets, ("identity", "label"))
        self.targets = targets
        self.required_fields = ("label",) if targets == "label" else ()

    def forward(self, pairs: ContrastiveBatch) -> Tensor:
        """Return a non-negative scalar, the same on every rank.

        Raises:
            LossInputError: If ``targets`` is ``label`` and the pairs have no labels.
        """
        pairs = pairs.gathered()
        logits = CaptionLogits.of(pairs)
        mass_NU = logits.paired_NU
        if self.targets == "label":
            if pairs.label_N is None:
                raise LossInputError("InfoNCE: targets 'label' needs the class of each clip; the data have none")
            mass_NU = logits.same_label(pairs.label_N)
        # Summed over the batch, both directions give the same weight to each logit of a positive pair.
        positive_N = (mass_NU * logits.logit_NU).sum(1)
        return ((logits.text_N - positive_N) + (logits.audio_N - positive_N)).mean() / 2
