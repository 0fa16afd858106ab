"""A contrastive loss that knows more of a clip than its caption: what was said."""

from torch import Tensor

from losses import ContrastiveBatch, ContrastiveLoss, InfoNCE


class SayAnything(ContrastiveLoss):
    """InfoNCE, and a penalty on clips that lie near what was said in them: how it was said is to count.

    Args:
        weight: Of the penalty, the mean squared cosine of clips and their transcripts.
    """

    required_texts = ("transcript",)

    def __init__(self, weight: float = 0.1) -> None:
        super().__init__()
        self.weight, self.infonce = weight, InfoNCE()

    def forward(self, pairs: ContrastiveBatch) -> Tensor:
        """Return a scalar, the same on every rank."""
        contrast = self.infonce(pairs)
        pairs = pairs.gathered()
        cosine_N = (pairs.audio_NE * pairs.text("transcript")).sum(1)
        return contrast + self.weight * cosine_N.square().mean()
