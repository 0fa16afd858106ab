"""Whether similarity in the shared space falls with distance in valence and arousal."""

import torch
from torch import Tensor

from stages.errors import SettingError
from stages.metrics.rank import spearman_rho
from stages.metrics.space_metric import GatheredMetric, SharedSpace, Trials

BLOCK = 8192


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
