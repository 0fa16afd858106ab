"""Base classes of metrics of the shared space, which an evaluation computes beside recognition."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric

Better = Literal["higher", "lower"]


class Trials(NamedTuple):
    """Value of a metric in each trial, NaN where undefined, and the better direction."""

    values: list[float]
    better: Better


@dataclass(frozen=True)
class SharedSpace:
    """N clips and their captions in the shared space.

    Attributes:
        audio_NE: Unit embeddings of the clips.
        text_NE: Unit embeddings of each clip's caption.
        clip_N: int64, number of each clip, from its name: the same for every model, batch and rank; see ``numbers``.
        caption_N: int64, equal numbers for equal captions, over all batches and ranks.
        label_N: int64, the class; -1 where unknown.
        rating_NR: Valence, arousal and dominance on 1 to 7; NaN where not rated.
    """

    audio_NE: Tensor
    text_NE: Tensor
    clip_N: Tensor
    caption_N: Tensor
    label_N: Tensor
    rating_NR: Tensor


def numbers(texts: list[str]) -> Tensor:
    """Hash each text to a number, [N] int64."""
    digests = [hashlib.sha256(text.encode()).digest()[:8] for text in texts]
    return torch.tensor([int.from_bytes(each, "big", signed=True) for each in digests], dtype=torch.int64)


class SpaceMetric(Metric, ABC):
    """Metric of the shared space with one or more trials: random samples of pairs, or lists of descriptions.

    A user's own metric is a subclass, named by its class path under ``model.space_metrics`` of an evaluation; results
    and reports show it by the names and directions that ``compute`` returns.
    """

    full_state_update = False
    is_differentiable = False

    def start(self, embed: Callable[[list[str]], Tensor]) -> None:
        """Embed the metric's own texts, if it has any, before the first batch: ``embed`` gives unit rows, [M, E]."""

    @abstractmethod
    def update(self, clips: SharedSpace) -> None:
        """Add one batch."""

    @abstractmethod
    def compute(self) -> dict[str, Trials]:
        """Return the trials of each metric, by its name in results and reports."""


class GatheredMetric(SpaceMetric):
    """Metric of all clips at once: D numbers of each clip are kept, over batches and ranks, until the end.

    Rows are ordered by the numbers of the clips, so that row n is the same clip for every model that is tested on the
    same clips: a trial that draws rows draws the same clips for all models, and their trials are paired.
    """

    # A flat vector, so that a rank without clips can take part in the gathering with an empty one. Each row is the
    # clip's number, as the bits of two float32, and its features.
    flat: list[Tensor] | Tensor
    width: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("flat", [], dist_reduce_fx="cat")
        self.add_state("width", torch.tensor(0), dist_reduce_fx="max")

    @abstractmethod
    def features(self, clips: SharedSpace) -> Tensor:
        """Return the numbers to keep of a batch, [N, D]; they become float32."""

    def update(self, clips: SharedSpace) -> None:
        # An int64 is kept as the bits of two float32, so that the vector has one type and no number is rounded.
        number_N2 = clips.clip_N[:, None].view(torch.float32)
        rows_ND = torch.cat([number_N2, self.features(clips).detach().float()], dim=1)
        assert isinstance(self.flat, list)  # a tensor only between gathering and reset
        self.flat.append(rows_ND.flatten())
        self.width = torch.full_like(self.width, rows_ND.shape[1])

    def gathered(self) -> Tensor:
        """Return the features of all clips, [N, D], ordered by the clips' numbers; [0, 0] before the first batch."""
        flat = torch.cat(self.flat) if isinstance(self.flat, list) and self.flat else self.flat
        if not isinstance(flat, Tensor) or not len(flat):
            return torch.empty(0, 0, device=self.device)
        rows_ND = flat.view(-1, int(self.width))
        number_N = rows_ND[:, :2].contiguous().view(torch.int64).flatten()
        return rows_ND[number_N.argsort(stable=True), 2:]
