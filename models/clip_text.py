"""Text tower of CLIP."""

from typing import Any

from torch import Tensor, nn

from models.errors import LearnedPromptError
from models.pretrained import from_pretrained, loading
from models.text import TextEncoder


class ClipText(TextEncoder):
    """CLIP's transformer over texts; the embedding is the hidden state at the token that ends the text.

    Learned prompts are refused: transformers finds the end of the text among token ids, which vectors do not have.

    Args:
        source: Name on the Hugging Face hub, or folder written by ``save_pretrained``, of a CLIPModel.
        revision: Commit of a hub name.

    Raises:
        WeightsError: If the source is missing or incomplete.

    Reference: Radford et al., "Learning transferable visual models from natural language supervision", ICML 2021.
    """

    def __init__(self, source: str = "openai/clip-vit-base-patch32", revision: str | None = None) -> None:
        # Not TextEncoder's own, which would load the image tower as well.
        nn.Module.__init__(self)
        from transformers import AutoTokenizer, CLIPTextModel

        self.source = source
        self.pooling = "pooler"
        self.truncate = False
        self.truncated = 0
        self.suffix = ""
        self.model: Any = from_pretrained(CLIPTextModel, source, revision, {r"^text_model\.": ""})
        with loading(source, "tokenizer.json"):
            self.tokenizer: Any = AutoTokenizer.from_pretrained(source, revision=revision, trust_remote_code=False)
        self.width = int(self.model.config.hidden_size)
        self.max_length = int(self.model.config.max_position_embeddings)

    def from_embeddings(self, words_NLD: Tensor, mask_NL: Tensor) -> Tensor:
        """Refuse learned prompts.

        Raises:
            LearnedPromptError: Always.
        """
        raise LearnedPromptError(f"{self.source}: CLIP reads texts, not learned prompts; choose another text encoder")
