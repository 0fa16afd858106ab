"""Recognition by a trained layer on embeddings: of classes, and of valence, arousal and dominance."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.recognition.outputs import Ratings, Scores
from models.recognition.recogniser import Recogniser

DIMENSIONS = ("valence", "arousal", "dominance")
# Middle and half width of the scale from 1 to 7: an untrained layer starts from the middle.
MIDDLE = 4.0
HALF = 3.0


class RatingHead(nn.Linear):
    """Linear layer that rates embeddings on the scale from 1 to 7.

    Args:
        width: Size of the embeddings, D.
        dimensions: Number of dimensions, R.
    """

    def __init__(self, width: int, dimensions: int = len(DIMENSIONS)) -> None:
        super().__init__(width, dimensions)

    def forward(self, embedding_ND: Tensor) -> Tensor:
        """Return the ratings, [N, R], float32."""
        # Before the middle is added: bfloat16 has steps of 1/32 there.
        return MIDDLE + HALF * super().forward(embedding_ND).float()


class Dimensional(Recogniser):
    """Ratings of clips by a head.

    Args:
        encoder: Encoder of clips.
        head: Maps embeddings [N, E] to ratings [N, R].
        labels: The R dimensions.
        name: Name of the system.
    """

    def __init__(
        self, encoder: nn.Module, head: nn.Module, labels: Sequence[str] = DIMENSIONS, name: str = "dimensional"
    ) -> None:
        super().__init__(name, encoder, labels)
        self.head = head

    def forward(self, embedding_NE: Tensor) -> Ratings:
        return Ratings(self.head(embedding_NE), self.labels)


class LinearRecogniser(Recogniser):
    """Class scores of a classifier, of all its classes or some of them.

    Args:
        encoder: Encoder of clips.
        labels: The C requested classes.
        classifier: Maps embeddings to scores of the classes that it was trained on; its attribute ``score_unit`` is
            the unit of the scores, ``logit`` by default.
        columns: Columns of its scores that are those of ``labels``.
        name: Name of the system.

    Reference: CLEP-DG, section 3.5.
    """

    column_C: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        labels: Sequence[str],
        classifier: nn.Module,
        columns: Sequence[int],
        name: str = "text-trained classifier",
    ) -> None:
        super().__init__(name, encoder, labels)
        self.classifier = classifier
        self.score_unit = str(getattr(classifier, "score_unit", "logit"))
        self.register_buffer("column_C", torch.tensor(list(columns)), persistent=False)

    def forward(self, embedding_NE: Tensor) -> Scores:
        return Scores(self.classifier(embedding_NE)[:, self.column_C], self.labels, self.score_unit)
