"""What an evaluation may measure beside recognition: of the shared space itself."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torchmetrics import Metric


@dataclass(frozen=True)
class Shared:
    """N clips and their captions in the shared space.

    Attributes:
        audio_NE: Unit embeddings of the clips.
        text_NE: Unit embeddings of each clip's caption.
        caption_N: int64, equal numbers for equal captions, over all batches and ranks.
        label_N: int64, the class; -1 where unknown.
        rating_NR: Valence, arousal and dominance on 1 to 7; NaN where not rated.
    """

    audio_NE: Tensor
    text_NE: Tensor
    caption_N: Tensor
    label_N: Tensor
    rating_NR: Tensor


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
    def compute(self) -> dict[str, list[float]]:
        """Return the value of each metric in each trial; NaN where a trial cannot be measured."""
