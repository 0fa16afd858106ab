"""Supervised contrast across modalities: all captions of a clip's class are its positives."""

from typing import Literal

from torch import Tensor

from losses.batch import ContrastiveBatch, ContrastiveLoss
from losses.errors import LossInputError, one_of
from losses.logits import CaptionLogits


class SupCon(ContrastiveLoss):
    """Mean over the positives of the negative log-probability, the mean being taken outside the logarithm.

    With P_i the captions of the clips that have clip i's label, its own included, the loss of clip i is
    ``-1/|P_i| sum_{p in P_i} log(exp(s_ip) / sum_k exp(s_ik))`` over the captions k of all N clips. Unlike in one
    modality, the anchor is not among the candidates, so nothing is left out of the denominator. In both directions
    this is InfoNCE with targets ``label``.

    Args:
        directions: ``both`` is the mean of clips and captions as anchors; ``audio_to_text`` has clips alone.

    Raises:
        LossSettingError: If ``directions`` is neither.

    Reference: Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, equation 2 (L_out); the baseline
    SupConCLAP of EmotionRankCLAP, section 4.1.
    """

    required_fields = ("label",)

    def __init__(self, directions: Literal["audio_to_text", "both"] = "both") -> None:
        super().__init__()
        one_of("SupCon: directions", directions, ("audio_to_text", "both"))
        self.directions = directions

    def forward(self, pairs: ContrastiveBatch) -> Tensor:
        """Return a non-negative scalar, the same on every rank.

        The positive of a clip without a label (-1) is its own caption.

        Raises:
            LossInputError: If the pairs have no labels.
        """
        pairs = pairs.gathered()
        if pairs.label_N is None:
            raise LossInputError("SupCon needs the class of each clip; the data have none")
        logits = CaptionLogits.of(pairs)
        positive_N = (logits.same_label(pairs.label_N) * logits.logit_NU).sum(1)
        to_text = (logits.text_N - positive_N).mean()
        if self.directions == "audio_to_text":
            return to_text
        # Positives are mutual, so over the batch the captions' positives have the same mean as the clips'.
        return (to_text + (logits.audio_N - positive_N).mean()) / 2
