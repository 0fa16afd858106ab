"""Pooling of frames: one vector per frame in, one vector per clip out."""

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn

PoolingName = Literal["mean", "first", "attentive", "attentive_mean"]


class Pooling(nn.Module, ABC):
    """Pooling over the frames of each clip, without frames of padding.

    Attributes:
        width: Size of the pooled vector.
    """

    width: int

    @abstractmethod
    def forward(self, hidden_NLD: Tensor, mask_NL: Tensor) -> Tensor:
        """Pool N clips of L frames: [N, L, D] -> [N, width].

        Args:
            hidden_NLD: Frames; those of padding may have any values.
            mask_NL: False where a frame is padding.
        """


class MeanPooling(Pooling):
    """Mean over a clip's frames.

    Args:
        in_width: Size of a frame, D.
    """

    def __init__(self, in_width: int) -> None:
        super().__init__()
        self.width = in_width

    def forward(self, hidden_NLD: Tensor, mask_NL: Tensor) -> Tensor:
        sum_ND = _blank(hidden_NLD, mask_NL).sum(1)
        return sum_ND / mask_NL.sum(1, keepdim=True).clamp(min=1)


class FirstFrame(Pooling):
    """A clip's first frame, for models that gather the clip there (CLS).

    Args:
        in_width: Size of a frame, D.
    """

    def __init__(self, in_width: int) -> None:
        super().__init__()
        self.width = in_width

    def forward(self, hidden_NLD: Tensor, mask_NL: Tensor) -> Tensor:
        return hidden_NLD[:, 0]


class AttentiveStatistics(Pooling):
    """Mean and standard deviation over a clip's frames, each frame weighted by a learned attention.

    A frame's score is v . tanh(W h + b); the weights are a softmax of the scores over the clip's frames. The parameters
    are those of the MSP-Podcast challenge's baseline, whose released weights fit.

    Args:
        in_width: Size of a frame, D.
        statistics: ``both`` for mean and standard deviation, 2 D, or ``mean`` alone, D.

    Reference: Okabe et al., "Attentive statistics pooling for deep speaker embedding", Interspeech 2018, equations 1-6.
    """

    def __init__(self, in_width: int, statistics: Literal["both", "mean"] = "both") -> None:
        super().__init__()
        self.statistics = statistics
        self.width = 2 * in_width if statistics == "both" else in_width
        self.linear = nn.Linear(in_width, in_width)
        # Initial scores are close together, so that every frame has a gradient whatever D is.
        self.attention = nn.Parameter(torch.randn(in_width, 1) * in_width**-0.5)

    def forward(self, hidden_NLD: Tensor, mask_NL: Tensor) -> Tensor:
        hidden_NLD = _blank(hidden_NLD, mask_NL)
        score_NL1 = self.linear(hidden_NLD).tanh() @ self.attention
        # The lowest number instead of minus infinity, so that a clip without frames gives no NaN.
        lowest = torch.finfo(score_NL1.dtype).min
        weight_NL1 = score_NL1.masked_fill(~mask_NL[..., None], lowest).softmax(1)
        mean_N1D = (weight_NL1 * hidden_NLD).sum(1, keepdim=True)
        mean_ND: Tensor = mean_N1D.squeeze(1)
        if self.statistics == "mean":
            return mean_ND
        variance_ND = (weight_NL1 * (hidden_NLD - mean_N1D).square()).sum(1)
        # The floor is the baseline's, and keeps the root's gradient finite for clips of one frame.
        return torch.cat([mean_ND, variance_ND.clamp(min=1e-5).sqrt()], dim=1)


def make_pooling(name: PoolingName, in_width: int) -> Pooling:
    """Build a pooling for frames of a width.

    Args:
        name: ``mean``, ``first``, ``attentive`` for attentive mean and standard deviation, ``attentive_mean``.
        in_width: Size of a frame, D.
    """
    if name == "mean":
        return MeanPooling(in_width)
    if name == "first":
        return FirstFrame(in_width)
    return AttentiveStatistics(in_width, "both" if name == "attentive" else "mean")


def _blank(hidden_NLD: Tensor, mask_NL: Tensor) -> Tensor:
    return hidden_NLD.masked_fill(~mask_NL[..., None], 0.0)
