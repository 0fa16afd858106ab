"""Rank correlation, and that of similarity in the shared space with nearness in valence and arousal."""

from typing import Literal

import torch
from torch import Tensor

from stages.errors import SettingError
from stages.metrics.space_metric import GatheredMetric, SharedSpace, Trials

BLOCK = 8192


def kendall_tau(x_LK: Tensor, y_LK: Tensor, variant: Literal["a", "b"] = "b") -> Tensor:
    """Kendall's tau of each of L lists of K values, float64 [L], in [-1, 1]; O(L K^2).

    Tau-a divides by all pairs, tau-b by the geometric mean of the pairs that differ in x and those that differ in y.
    Both are NaN where x or y is constant, as there is no order to agree with.
    """
    sign_x_LKK, sign_y_LKK = (torch.sign(v_LK[:, :, None] - v_LK[:, None, :]).double() for v_LK in (x_LK, y_LK))
    differ_x_L, differ_y_L = (sign_LKK.square().sum((1, 2)) for sign_LKK in (sign_x_LKK, sign_y_LKK))
    pairs = x_LK.shape[1] * (x_LK.shape[1] - 1)
    whole_L = (differ_x_L * differ_y_L).sqrt() if variant == "b" else torch.full_like(differ_x_L, pairs)
    defined_L = (differ_x_L > 0) & (differ_y_L > 0)
    return torch.where(defined_L, (sign_x_LKK * sign_y_LKK).sum((1, 2)) / whole_L, torch.nan)


def spearman_rho(x_N: Tensor, y_N: Tensor) -> float:
    """Spearman's rho of N pairs, in [-1, 1]; NaN where x or y is constant; O(N log N)."""
    x_N, y_N = (_mean_rank(v_N) for v_N in (x_N, y_N))
    x_N, y_N = x_N - x_N.mean(), y_N - y_N.mean()
    whole = (x_N.square().sum() * y_N.square().sum()).sqrt()
    return float((x_N * y_N).sum() / whole) if whole > 0 else float("nan")


class OrdinalSimilarity(GatheredMetric):
    """Spearman's rho of the cosine of clip i and caption j with the nearness of their ratings; one trial.

    Nearness is the negative Euclidean distance of the valence and arousal of clips i and j, so 1 is a space in which
    captions are the further from a clip the further they are in emotion. Clips without both ratings take no part.

    Args:
        pairs: ContrastiveBatch (i, j) drawn with replacement; all of them where there are no more than this.
        seed: Of the draw.

    Raises:
        SettingError: If there are fewer than two pairs.
    """

    def __init__(self, pairs: int = 200_000, seed: int = 0) -> None:
        super().__init__()
        if pairs < 2:
            raise SettingError(f"pairs must be at least 2, got {pairs}")
        self.pairs, self.seed = pairs, seed

    def features(self, clips: SharedSpace) -> Tensor:
        return torch.cat([clips.audio_NE.float(), clips.text_NE.float(), clips.rating_NR[:, :2].float()], dim=1)

    def compute(self) -> dict[str, Trials]:
        """One value by the name "similarity-distance rho"; NaN where similarities or distances are all equal."""
        rows_ND = self.gathered()
        rows_ND = rows_ND[~rows_ND[:, -2:].isnan().any(1)]
        audio_NE, text_NE = rows_ND[:, :-2].tensor_split(2, dim=1)
        rating_N2 = rows_ND[:, -2:]
        similarity, nearness = [], []
        for pair_2B in torch.split(self._draw(len(rows_ND)).to(rows_ND.device), BLOCK, dim=1):
            clip_B, caption_B = pair_2B
            similarity.append((audio_NE[clip_B] * text_NE[caption_B]).sum(1))
            nearness.append(-(rating_N2[clip_B] - rating_N2[caption_B]).norm(dim=1))
        rho = spearman_rho(torch.cat(similarity), torch.cat(nearness))
        return {"similarity-distance rho": Trials([rho], "higher")}

    def _draw(self, count: int) -> Tensor:
        """Clips and captions of the pairs, [2, P]."""
        if count**2 <= self.pairs:
            return torch.cartesian_prod(torch.arange(count), torch.arange(count)).T
        return torch.randint(count, (2, self.pairs), generator=torch.Generator().manual_seed(self.seed))


def _mean_rank(values_N: Tensor) -> Tensor:
    """Places from 1 to N, float64; equal values have the mean of theirs."""
    _, place_N, count_U = torch.unique(values_N, return_inverse=True, return_counts=True)
    rank_U: Tensor = count_U.cumsum(0) - (count_U.double() - 1) / 2
    return rank_U[place_N]
