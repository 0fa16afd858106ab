"""What an evaluation may measure beside recognition: of the shared space itself."""

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
    """The value of a metric in each trial, and which values are good; NaN where a trial cannot be measured."""

    values: list[float]
    better: Better


@dataclass(frozen=True)
class Shared:
    """N clips and their captions in the shared space.

    Attributes:
        audio_NE: Unit embeddings of the clips.
        text_NE: Unit embeddings of each clip's caption.
        clip_N: int64, each clip's number, from its name: the same for every model, batch and rank; see `numbers`.
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
    """A number for each text, [N] int64, that depends on nothing but the text."""
    digests = [hashlib.sha256(text.encode()).digest()[:8] for text in texts]
    return torch.tensor([int.from_bytes(each, "big", signed=True) for each in digests], dtype=torch.int64)


class Measure(Metric, ABC):
    """A property of the shared space, measured in trials: random samples of pairs, lists of descriptions, or one."""

    full_state_update = False
    is_differentiable = False

    def start(self, embed: Callable[[list[str]], Tensor]) -> None:
        """Embed the measure's own texts, if it has any, before the first batch: ``embed`` gives unit rows, [M, E]."""

    @abstractmethod
    def update(self, clips: Shared) -> None:
        """Take in one batch."""

    @abstractmethod
    def compute(self) -> dict[str, Trials]:
        """Return the trials of each metric, by the name that results and reports show."""
