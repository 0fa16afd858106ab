"""Recognition by a classifier on embeddings."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.recognition.outputs import Scores
from models.recognition.recogniser import Recogniser


class LinearRecogniser(Recogniser):
    """Class scores of a classifier, of which some classes may be asked for alone.

    Args:
        encoder: What embeds clips.
        labels: The C classes that are asked for.
        classifier: Scores of the classes that it was trained on; its attribute ``score_unit`` says what they are,
            ``logit`` where it has none.
        columns: Which of its scores are those of ``labels``.
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
