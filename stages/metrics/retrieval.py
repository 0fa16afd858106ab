"""Retrieval between clips and captions."""

from collections.abc import Sequence

import torch
from torch import Tensor

from stages.errors import SettingError
from stages.metrics.space_metric import GatheredMetric, SharedSpace, Trials

BLOCK = 512
CUTOFF = 10


class Retrieval(GatheredMetric):
    """Recall, median rank and mAP@10 of clips by caption and of captions by clip; one trial.

    A caption counts once however many clips have it, and any clip with the caption is a hit. A miss that is as near as
    a hit is ranked before it, so that a model with equal embeddings finds nothing.

    Args:
        ks: R@k is the share of queries with a hit among the k nearest.

    Raises:
        SettingError: If a k is below 1.
    """

    def __init__(self, ks: Sequence[int] = (1, 5, 10)) -> None:
        super().__init__()
        if not ks or min(ks) < 1:
            raise SettingError(f"ks must be numbers of 1 or more, got {list(ks)}")
        self.ks = tuple(ks)

    def features(self, clips: SharedSpace) -> Tensor:
        # As the bits of two float32, like the clips' own numbers.
        caption_N2 = clips.caption_N.long()[:, None].view(torch.float32)
        return torch.cat([clips.audio_NE.float(), clips.text_NE.float(), caption_N2], dim=1)

    def compute(self) -> dict[str, Trials]:
        """Return R@k, median rank and mAP@10, each "audio to text" and "text to audio"; NaN without clips."""
        rows_ND = self.gathered()
        audio_NE, text_NE = rows_ND[:, :-2].tensor_split(2, dim=1)
        caption_N = rows_ND[:, -2:].flatten().view(torch.int64)
        caption_U, index_N = torch.unique(caption_N, return_inverse=True)
        text_UE = text_NE.new_empty(len(caption_U), text_NE.shape[1])
        text_UE[index_N] = text_NE
        return {
            **self._scores("audio to text", audio_NE, text_UE, caption_N, caption_U),
            **self._scores("text to audio", text_UE, audio_NE, caption_U, caption_N),
        }

    def _scores(
        self, direction: str, query_QE: Tensor, item_NE: Tensor, caption_Q: Tensor, caption_N: Tensor
    ) -> dict[str, Trials]:
        blocks = zip(torch.split(query_QE, BLOCK), torch.split(caption_Q, BLOCK), strict=True)
        found = [
            ranks(query_BE @ item_NE.T, caption_B[:, None] == caption_N)
            for query_BE, caption_B in blocks
            if len(query_BE)
        ]
        first_Q, precision_Q = (
            (torch.cat(part).double() for part in zip(*found, strict=True)) if found else [query_QE.new_zeros(0)] * 2
        )
        recalls = {f"R@{k} {direction}": Trials([float((first_Q <= k).double().mean())], "higher") for k in self.ks}
        median_rank = float(first_Q.quantile(0.5)) if len(first_Q) else float("nan")
        return {
            **recalls,
            f"median rank {direction}": Trials([median_rank], "lower"),
            f"mAP@{CUTOFF} {direction}": Trials([float(precision_Q.mean())], "higher"),
        }


def ranks(similarity_QN: Tensor, hit_QN: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rank of each query's first hit, from 1, and its average precision at 10: two vectors [Q].

    Average precision is the mean, over the hits that could be among the first 10, of the precision at each that is.

    Args:
        similarity_QN: Of queries and items.
        hit_QN: bool; each query has a hit.
    """
    hits_Q = hit_QN.sum(1)
    depth = min(CUTOFF, int(hits_Q.max()))
    hit_QD = similarity_QN.masked_fill(~hit_QN, -torch.inf).topk(depth).values
    miss_QN = similarity_QN.masked_fill(hit_QN, -torch.inf)
    # Counting passes over the misses, mostly one, are cheaper than sorting them.
    before_QD = torch.stack([(miss_QN >= hit_Q[:, None]).sum(1) for hit_Q in hit_QD.T], dim=1)
    order_D = torch.arange(1, depth + 1, device=similarity_QN.device)
    rank_QD = order_D + before_QD
    counted_QD = (rank_QD <= CUTOFF) & (order_D <= hits_Q[:, None])
    return rank_QD[:, 0], (order_D / rank_QD * counted_QD).sum(1) / hits_Q.clamp(max=CUTOFF)
