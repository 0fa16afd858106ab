"""The text tower of CLIP."""

from typing import Any

from torch import Tensor, nn

from models.errors import LearnedPromptError
from models.pretrained import from_pretrained, loading
from models.text import TextEncoder


class ClipText(TextEncoder):
    """CLIP's transformer over texts; the embedding is the hidden state at the token that ends the text.

    Learned prompts cannot be put before a text here: transformers finds the end among token numbers, not vectors.

    Args:
        source: Name on the Hugging Face hub, or folder written by ``save_pretrained``, of a CLIPModel.
        revision: Commit of a hub name.

    Raises:
        WeightsError: If the source is not there, or incomplete.

    Reference: Radford et al., "Learning transferable visual models from natural language supervision", ICML 2021.
    """

    def __init__(self, source: str = "openai/clip-vit-base-patch32", revision: str | None = None) -> None:
        # Not TextEncoder's own, which would load the image tower as well.
        nn.Module.__init__(self)
        from transformers import AutoTokenizer, CLIPTextModel

        self.source, self.pooling = source, "pooler"
        self.truncate, self.suffix, self.truncated = False, "", 0
        self.model: Any = from_pretrained(CLIPTextModel, source, revision, {r"^text_model\.": ""})
        with loading(source, "tokenizer.json"):
            self.tokenizer: Any = AutoTokenizer.from_pretrained(source, revision=revision, trust_remote_code=False)
        self.width = int(self.model.config.hidden_size)
        self.max_length = int(self.model.config.max_position_embeddings)

    def from_embeddings(self, words_NLD: Tensor, mask_NL: Tensor) -> Tensor:
        """Refuse.

        Raises:
            LearnedPromptError: Always.
        """
        raise LearnedPromptError(f"{self.source}: CLIP reads texts, not learned prompts; choose another text encoder")
