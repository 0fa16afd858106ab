"""Recognition of valence, arousal and dominance."""

from collections.abc import Sequence

from torch import Tensor, nn

from models.recognition.outputs import Ratings
from models.recognition.recogniser import Recogniser

DIMENSIONS = ("valence", "arousal", "dominance")
# The middle and the half width of the scale from 1 to 7: an untrained layer starts from the middle.
MIDDLE, HALF = 4.0, 3.0


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
    """Ratings of clips.

    Args:
        encoder: What embeds clips.
        head: What rates embeddings, [N, E] -> [N, R].
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
