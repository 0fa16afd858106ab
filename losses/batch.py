"""Batch of clips and captions for contrastive losses, and their base class."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor, nn

from losses.errors import LossInputError
from losses.gather import gather, rows_before


@dataclass(frozen=True)
class ContrastiveBatch:
    """N clips, their captions, and annotations of both. Every field but the first four may be None.

    Attributes:
        audio_NE: Embeddings of the clips, of unit length, unless the model trains without normalization.
        text_UE: Embeddings of captions, likewise. Clips may share one; rows that no clip uses have no effect.
        caption_N: int64, the row of ``text_UE`` that is each clip's caption.
        scale: 0-d, one over the temperature.
        label_N: int64, the class of each clip.
        rating_NR: Valence, arousal and dominance of each clip on 1 to 7, in this order; NaN where it was not rated.
        local_NL: Local audio features, averaged over time; without gradient.
        texts: Embeddings [N, E] of further texts about each clip, by their names in the data, such as ``tags``; of unit
            length, unless the model trains without.
        columns: Further columns of the manifest [N] as numbers, by name; NaN where a cell is empty.
    """

    audio_NE: Tensor
    text_UE: Tensor
    caption_N: Tensor
    scale: Tensor
    label_N: Tensor | None = None
    rating_NR: Tensor | None = None
    local_NL: Tensor | None = None
    texts: Mapping[str, Tensor] = field(default_factory=dict)
    columns: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def text_NE(self) -> Tensor:
        """Embedding of each clip's caption, [N, E]."""
        return self.text_UE[self.caption_N]

    def text(self, name: str) -> Tensor:
        """The embeddings of a further text about each clip, [N, E].

        Raises:
            LossInputError: If the data write no text of this name.
        """
        if name not in self.texts:
            raise LossInputError(
                f"the loss needs {name} of each clip; the data have none: write it by data.texts.{name}"
            )
        return self.texts[name]

    def column(self, name: str) -> Tensor:
        """A further column of the manifest as numbers, [N].

        Raises:
            LossInputError: If the data do not bring it.
        """
        if name not in self.columns:
            raise LossInputError(f"the loss needs the column {name} of each clip; add it to data.columns")
        return self.columns[name]

    def gathered(self) -> "ContrastiveBatch":
        """Gather the pairs of all ranks, in rank order; see ``losses.gather.gather`` for gradients.

        A caption that two ranks share has two rows in ``text_UE``: equal embeddings, and equal columns of logits.
        """
        caption_N = self.caption_N + rows_before(self.text_UE)
        return ContrastiveBatch(
            audio_NE=gather(self.audio_NE),
            text_UE=gather(self.text_UE),
            caption_N=gather(caption_N),
            scale=self.scale,
            label_N=_gathered(self.label_N),
            rating_NR=_gathered(self.rating_NR),
            local_NL=_gathered(self.local_NL),
            texts={name: gather(text_NE) for name, text_NE in self.texts.items()},
            columns={name: gather(number_N) for name, number_N in self.columns.items()},
        )


def _gathered(x: Tensor | None) -> Tensor | None:
    return None if x is None else gather(x)


FieldName = Literal["label", "rating", "local"]


class ContrastiveLoss(nn.Module, ABC):
    """An objective over the pairs of all ranks.

    Attributes:
        required_fields: Fields that the loss needs beside the embeddings; a stage computes only these.
        required_texts: Names of the further texts, of those in ``data.texts``, that the loss needs.
        required_columns: Names of the further columns, of those in ``data.columns``, that it needs.
    """

    required_fields: tuple[FieldName, ...] = ()
    required_texts: tuple[str, ...] = ()
    required_columns: tuple[str, ...] = ()

    @abstractmethod
    def forward(self, pairs: ContrastiveBatch) -> Tensor:
        """Return a scalar, the same on every rank, from the pairs of this rank.

        Raises:
            LossInputError: If the pairs lack a required field.
        """
