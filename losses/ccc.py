"""Concordance loss of predicted and rated attributes."""

import torch
from torch import Tensor, nn

from losses.gather import gather


class ConcordanceLoss(nn.Module):
    """1 - CCC, averaged over the attributes: 0 in perfect agreement, 1 without any, 2 in perfect disagreement.

    Unlike the correlation, the concordance correlation coefficient falls when predictions are shifted or scaled. It
    is computed over the rated clips of all ranks, with variances over n. Where they do not vary (one rated clip,
    constant ratings) it is 0 and has no gradient; an attribute without any rating is left out.

    Reference: Lin, "A concordance correlation coefficient to evaluate reproducibility", Biometrics 45, 1989; the
    objective of the released recognisers of valence, arousal and dominance.
    """

    def forward(self, predicted_NR: Tensor, rating_NR: Tensor) -> Tensor:
        """Return a scalar in [0, 2], the same on every rank.

        Args:
            predicted_NR: Predictions of R attributes, from the clips of this rank.
            rating_NR: Ratings on the same scale; NaN where a clip was not rated.
        """
        predicted_NR = gather(predicted_NR)
        rating_NR = gather(rating_NR)
        dtype = torch.promote_types(torch.promote_types(predicted_NR.dtype, rating_NR.dtype), torch.float32)
        known_NR = ~rating_NR.isnan()
        count_R = known_NR.sum(0)
        share_NR = known_NR.to(dtype) / count_R.clamp(min=1)
        predicted_NR = predicted_NR.to(dtype)
        rating_NR = rating_NR.nan_to_num(0).to(dtype)

        predicted_mean_R = (share_NR * predicted_NR).sum(0)
        rating_mean_R = (share_NR * rating_NR).sum(0)
        predicted_NR = predicted_NR - predicted_mean_R
        rating_NR = rating_NR - rating_mean_R
        covariance_R = (share_NR * predicted_NR * rating_NR).sum(0)
        variance_R = (share_NR * (predicted_NR.square() + rating_NR.square())).sum(0)
        ccc_R = (
            2
            * covariance_R
            / (variance_R + (predicted_mean_R - rating_mean_R).square()).clamp(min=torch.finfo(dtype).eps)
        )
        rated_R = count_R > 0
        return ((1 - ccc_R) * rated_R).sum() / rated_R.sum().clamp(min=1)
