"""Rank correlation, and that of similarity in the shared space with nearness in valence and arousal."""

from typing import Literal

import torch
from torch import Tensor

from stages.errors import SettingError
from stages.metrics.space_metric import GatheredMetric, SharedSpace, Trials

BLOCK = 8192


def kendall_tau(x_LK: Tensor, y_LK: Tensor, variant: Literal["a", "b"] = "b") -> Tensor:
    """Return Kendall's tau of each of L lists of K values, float64 [L], in [-1, 1]; O(L K^2).

    Tau-a divides by all pairs, tau-b by the geometric mean of the pairs that differ in x and those that differ in y.
    Both are NaN where x or y is constant, as there is no order to agree with.
    """
    sign_x_LKK = torch.sign(x_LK[:, :, None] - x_LK[:, None, :]).double()
    sign_y_LKK = torch.sign(y_LK[:, :, None] - y_LK[:, None, :]).double()
    differ_x_L = sign_x_LKK.square().sum((1, 2))
    differ_y_L = sign_y_LKK.square().sum((1, 2))
    if variant == "b":
        pairs_L = (differ_x_L * differ_y_L).sqrt()
    else:
        pairs_L = torch.full_like(differ_x_L, x_LK.shape[1] * (x_LK.shape[1] - 1))
    defined_L = (differ_x_L > 0) & (differ_y_L > 0)
    return torch.where(defined_L, (sign_x_LKK * sign_y_LKK).sum((1, 2)) / pairs_L, torch.nan)


def spearman_rho(x_N: Tensor, y_N: Tensor) -> float:
    """Return Spearman's rho of N pairs, in [-1, 1]; NaN where x or y is constant; O(N log N)."""
    x_N = _mean_rank(x_N)
    y_N = _mean_rank(y_N)
    x_N = x_N - x_N.mean()
    y_N = y_N - y_N.mean()
    deviation = (x_N.square().sum() * y_N.square().sum()).sqrt()
    if deviation == 0:
        return float("nan")
    return float((x_N * y_N).sum() / deviation)


class OrdinalSimilarity(GatheredMetric):
    """Spearman's rho of the cosine of clip i and caption j and the nearness of their ratings; one trial.

    Nearness is the negative Euclidean distance of the valence and arousal of clips i and j, so 1 is a space in which
    captions are farther from a clip the farther they are in emotion. Clips without both ratings are left out.

    Args:
        pairs: Number of pairs (i, j), drawn with replacement; all pairs where there are no more than this.
        seed: Seed of the draw.

    Raises:
        SettingError: If there are fewer than two pairs.
    """

    def __init__(self, pairs: int = 200_000, seed: int = 0) -> None:
        super().__init__()
        if pairs < 2:
            raise SettingError(f"pairs must be at least 2, got {pairs}")
        self.pairs = pairs
        self.seed = seed

    def features(self, clips: SharedSpace) -> Tensor:
        return torch.cat([clips.audio_NE.float(), clips.text_NE.float(), clips.rating_NR[:, :2].float()], dim=1)

    def compute(self) -> dict[str, Trials]:
        """Return one value named "similarity-distance rho"; NaN where similarities or distances are all equal."""
        rows_ND = self.gathered()
        rows_ND = rows_ND[~rows_ND[:, -2:].isnan().any(1)]
        audio_NE, text_NE = rows_ND[:, :-2].tensor_split(2, dim=1)
        rating_N2 = rows_ND[:, -2:]
        similarity = []
        nearness = []
        for pair_2B in torch.split(self._draw(len(rows_ND)).to(rows_ND.device), BLOCK, dim=1):
            clip_B, caption_B = pair_2B
            similarity.append((audio_NE[clip_B] * text_NE[caption_B]).sum(1))
            nearness.append(-(rating_N2[clip_B] - rating_N2[caption_B]).norm(dim=1))
        rho = spearman_rho(torch.cat(similarity), torch.cat(nearness))
        return {"similarity-distance rho": Trials([rho], "higher")}

    def _draw(self, count: int) -> Tensor:
        """Draw the clips and captions of the pairs, [2, P]."""
        if count**2 <= self.pairs:
            return torch.cartesian_prod(torch.arange(count), torch.arange(count)).T
        return torch.randint(count, (2, self.pairs), generator=torch.Generator().manual_seed(self.seed))


def _mean_rank(values_N: Tensor) -> Tensor:
    """Rank values from 1 to N, float64; equal values have the mean of their ranks."""
    _, index_N, count_U = torch.unique(values_N, return_inverse=True, return_counts=True)
    rank_U: Tensor = count_U.cumsum(0) - (count_U.double() - 1) / 2
    return rank_U[index_N]
