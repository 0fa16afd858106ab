"""Base class of recognisers, their shared encoder, and the functions that run them together."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from models.audio.encoder import AudioEncoder
from models.errors import LabelError
from models.recognition.outputs import Clips, Output


class ClipEncoder(nn.Module):
    """Audio tower and projection: clips in, embeddings [N, E] out.

    Args:
        tower: Audio tower.
        project: Maps the tower's output [N, D] to embeddings [N, E]; null for the identity.
        feature: Name of the tower in ``Clips.features``; the tower does not run for a batch that has them.
    """

    def __init__(
        self, tower: AudioEncoder, project: Callable[[Tensor], Tensor] | None = None, feature: str = "audio"
    ) -> None:
        super().__init__()
        self.tower = tower
        self.feature = feature
        self._project = project

    def forward(self, clips: Clips) -> Tensor:
        """Embed N clips, [N, E]; N may be 0, as on a rank that has no clips left."""
        pooled_ND = self._pooled(clips)
        return pooled_ND if self._project is None else self._project(pooled_ND)

    def _pooled(self, clips: Clips) -> Tensor:
        if not len(clips["length"]):
            return clips["wave"].new_zeros(0, self.tower.width)
        if self.feature in clips["features"]:
            return clips["features"][self.feature]
        pooled_ND: Tensor = self.tower(clips["wave"], clips["length"])
        return pooled_ND


class Recogniser(nn.Module, ABC):
    """One way to recognise emotion from the embedding of a clip.

    Args:
        name: Name of the system in tables of results, such as ``zero-shot``.
        encoder: Encoder of clips, which the recognisers of one model share.
        labels: Columns of the output: classes or dimensions; empty for texts.
    """

    def __init__(self, name: str, encoder: nn.Module, labels: Sequence[str] = ()) -> None:
        super().__init__()
        self.name = name
        self.labels = tuple(labels)
        self.encoder = encoder

    @abstractmethod
    def forward(self, embedding_NE: Tensor) -> Output:
        """Recognise N clips from their embeddings."""

    def text_points(self) -> tuple[str, Tensor] | None:
        """Return texts for a map of the space: their kind, and their embeddings [M, C, E]; None for none."""
        return None


def columns_of(labels: Sequence[str], trained: Sequence[str]) -> list[int]:
    """Return the columns of classes among those that a model was trained for.

    Args:
        labels: The requested classes.
        trained: The classes in the order of the model's columns.

    Raises:
        LabelError: With the classes that it was not trained for.
    """
    absent = ", ".join(label for label in labels if label not in trained)
    if absent:
        raise LabelError(
            f"data.init_args.labels: {absent} is no class of what the model was trained for ({', '.join(trained)}); "
            f"train it for these labels, or leave {absent} out"
        )
    return [list(trained).index(label) for label in labels]


@torch.no_grad()
def embed(recognisers: Sequence[Recogniser], clips: Clips) -> dict[nn.Module, Tensor]:
    """Embed clips by each encoder of the recognisers, once."""
    encoders = dict.fromkeys(recogniser.encoder for recogniser in recognisers)
    return {encoder: encoder(clips) for encoder in encoders}


@torch.no_grad()
def recognise(
    recognisers: Sequence[Recogniser], clips: Clips, embeddings: dict[nn.Module, Tensor] | None = None
) -> dict[str, Output]:
    """Recognise clips by several recognisers; each encoder runs once.

    Args:
        recognisers: Recognisers with distinct names.
        clips: N clips.
        embeddings: Result of ``embed`` for these clips; null embeds them now.

    Returns:
        The output of each recogniser, by its name.
    """
    embedding = embed(recognisers, clips) if embeddings is None else embeddings
    return {recogniser.name: recogniser(embedding[recogniser.encoder]) for recogniser in recognisers}
