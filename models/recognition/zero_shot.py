"""Recognition by the nearest text: zero-shot prompts, and learned ones."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from models.projection import similarity, unit
from models.recognition.outputs import Scores
from models.recognition.recogniser import Recogniser

# CLEP-DG's template first: it alone is the zero-shot baseline, all together are the ensemble.
TEMPLATES = (
    "this is a sound of {emotion}",
    "This is a {emotion} sound",
    "a {emotion} voice",
    "the speaker sounds {emotion}",
    "a person speaking in a {emotion} tone",
    "speech that expresses a {emotion} feeling",
)


class ZeroShot(Recogniser):
    """Cosines of clips to one text per class.

    Args:
        name: Name of the system.
        encoder: Encoder of clips.
        labels: The C classes.
        text_CE: Unit embeddings of one text per class.
        on_map: Draw these texts on a map of the space.
    """

    text_CE: Tensor

    def __init__(
        self, name: str, encoder: nn.Module, labels: Sequence[str], text_CE: Tensor, on_map: bool = False
    ) -> None:
        super().__init__(name, encoder, labels)
        self.register_buffer("text_CE", text_CE, persistent=False)
        self.on_map = on_map

    def forward(self, embedding_NE: Tensor) -> Scores:
        return Scores(similarity(embedding_NE, self.text_CE), self.labels)

    def text_points(self) -> tuple[str, Tensor] | None:
        return ("template", self.text_CE[None]) if self.on_map else None


class LearnedPrompts(Recogniser):
    """Mean over the contexts of the cosines of clips to each class's prompt.

    Args:
        encoder: Encoder of clips.
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


@torch.no_grad()
def zero_shot(
    encoder: nn.Module,
    embed_text: Callable[[list[str]], Tensor],
    labels: Sequence[str],
    words: Sequence[str],
    templates: Sequence[str] = TEMPLATES,
) -> list[Recogniser]:
    """Make the three zero-shot recognisers of a shared space.

    "zero-shot" takes the first template, "zero-shot ensemble" the mean over all of them, and "zero-shot words" the bare
    words, as SmoothCLAP does.

    Args:
        encoder: Encoder of clips.
        embed_text: Unit embeddings of texts, [M, E], in the same space.
        labels: The C classes.
        words: The classes as words in texts, such as "angry".
        templates: Texts with ``{emotion}``.
    """
    texts = [[template.format(emotion=word) for word in words] for template in templates]
    text_TCE = torch.stack([embed_text(of_template) for of_template in texts])
    return [
        ZeroShot("zero-shot", encoder, labels, text_TCE[0], on_map=True),
        ZeroShot("zero-shot ensemble", encoder, labels, unit(text_TCE.mean(0))),
        ZeroShot("zero-shot words", encoder, labels, embed_text(list(words))),
    ]
