"""Softmax with an additive angular margin."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from losses.errors import LossSettingError, positive


class ArcFaceLoss(nn.Module):
    """Cross-entropy of scaled cosines, with a margin added to the angle of the true class.

    The true class's logit is ``scale * cos(theta + margin)``. Beyond ``theta = pi - margin`` that would rise again,
    so there it is ``scale * (cos(theta) - margin * sin(margin))``, which keeps falling. With a margin of 0 this is
    the plain cross-entropy. The margin belongs to training: at inference, classify by the cosines.

    Args:
        scale: Factor on the cosines, positive. 5 after PromptStyler; face recognition uses 64.
        margin: Radians, 0 to pi/2; 0.5 in both.

    Raises:
        LossSettingError: If ``scale`` or ``margin`` is out of range.

    Reference: Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019, equation 3;
    CLEP-DG, section 3.5.
    """

    def __init__(self, scale: float = 5.0, margin: float = 0.5) -> None:
        super().__init__()
        positive("ArcFaceLoss: scale", scale)
        if not 0 <= margin <= math.pi / 2:
            raise LossSettingError(f"ArcFaceLoss: margin is {margin}; expected radians from 0 to pi/2")
        self.scale = scale
        self.margin = margin

    def forward(self, cosine_NC: Tensor, label_N: Tensor) -> Tensor:
        """Return the mean over N as a non-negative scalar.

        Args:
            cosine_NC: Cosines of normalised features and normalised class weights.
            label_N: int64, the class of each row.
        """
        cosine_NC = cosine_NC.to(torch.promote_types(cosine_NC.dtype, torch.float32))
        true_N1 = cosine_NC.gather(1, label_N[:, None])
        logit_NC = self.scale * cosine_NC.scatter(1, label_N[:, None], self._with_margin(true_N1))
        return F.cross_entropy(logit_NC, label_N)

    def _with_margin(self, cosine: Tensor) -> Tensor:
        # The square root has an infinite slope at 0, where the clamp gives it a slope of 0.
        sine = ((1 - cosine) * (1 + cosine)).clamp(min=torch.finfo(cosine.dtype).tiny).sqrt()
        widened = cosine * math.cos(self.margin) - sine * math.sin(self.margin)
        return torch.where(cosine >= -math.cos(self.margin), widened, cosine - self.margin * math.sin(self.margin))
