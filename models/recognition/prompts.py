"""Recognition by learned prompts."""

from collections.abc import Sequence

from torch import Tensor, nn

from models.recognition.outputs import Scores
from models.recognition.recogniser import Recogniser
from models.unit import similarity


class LearnedPrompts(Recogniser):
    """Mean over the contexts of the cosines of clips to each class's prompt.

    Args:
        encoder: What embeds clips.
        labels: The C classes.
        prompt_KCE: Unit embeddings of the classes' prompts under K contexts.
        name: Name of the system.

    Reference: CLEP-DG, section 3.4.
    """

    prompt_KCE: Tensor

    def __init__(
        self, encoder: nn.Module, labels: Sequence[str], prompt_KCE: Tensor, name: str = "ACPT prompts"
    ) -> None:
        super().__init__(name, encoder, labels)
        self.register_buffer("prompt_KCE", prompt_KCE, persistent=False)

    def forward(self, embedding_NE: Tensor) -> Scores:
        return Scores(similarity(embedding_NE, self.prompt_KCE.mean(0)), self.labels)

    def text_points(self) -> tuple[str, Tensor]:
        return "prompt", self.prompt_KCE
