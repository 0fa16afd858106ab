"""Learned context vectors around a class name."""

from itertools import takewhile
from typing import Literal

import torch
from torch import Tensor, nn

from models.text import TextEncoder


class SoftPrompt(nn.Module):
    """K contexts of L free token embeddings each, shared by all classes.

    They replace words such as "this is a recording in a noisy street of a". One context models one soundscape.

    Args:
        dim: Width of the text encoder's token embeddings, D.
        classes: Number of classes, C.
        contexts: Number of contexts, K.
        length: Vectors per context, L.
        std: Standard deviation of the initial values; the mean is zero.
        position: Position of the class name: ``end`` (after the context, as in the paper), ``middle`` or ``front``.
        class_specific: Learn separate contexts for each class, K x C x L vectors.

    Raises:
        ValueError: If a number is below 1 or ``std`` is negative.

    Reference: CLEP-DG, section 3.4; Zhou et al., "Learning to Prompt for Vision-Language Models", IJCV 2022.
    """

    def __init__(
        self,
        dim: int,
        classes: int,
        contexts: int = 12,
        length: int = 8,
        std: float = 0.02,
        position: Literal["end", "middle", "front"] = "end",
        class_specific: bool = False,
    ) -> None:
        super().__init__()
        if min(dim, classes, contexts, length) < 1 or std < 0:
            raise ValueError(f"contexts {contexts} and length {length} must be at least 1, and std {std} at least 0")
        self.position = position
        self.context_KCLD = nn.Parameter(torch.randn(contexts, classes if class_specific else 1, length, dim) * std)

    @torch.no_grad()
    def start_from(self, phrases: list[str], text: TextEncoder) -> None:
        """Replace the random values by the embeddings of words.

        Args:
            phrases: One for each context; the last token is repeated, or the end cut, to fill the context's length.
            text: Text encoder that embeds them.

        Raises:
            ValueError: If there are not as many phrases as contexts.
        """
        contexts, _, length, _ = self.context_KCLD.shape
        if len(phrases) != contexts:
            raise ValueError(
                f"{len(phrases)} phrases for {contexts} contexts; set prompt.init_args.contexts to {len(phrases)}"
            )
        for context_CLD, phrase in zip(self.context_KCLD, phrases, strict=True):
            lead = " " if self.position == "front" else ""
            ids = text.tokenizer(lead + phrase, add_special_tokens=False)["input_ids"]
            ids = (ids + ids[-1:] * length)[:length]
            context_CLD.copy_(text.embed_tokens(torch.tensor(ids, device=text.device)))

    def forward(self, names: list[str], text: TextEncoder) -> Tensor:
        """Encode every class name under every context: [K, C, D].

        The sequence is that of the tokenizer for the name, with the context inside the special tokens and before the
        suffix: ``[CLS] context name [SEP]`` for ``end``, or ``context name <|endoftext|>`` for GPT-2. A name that
        follows a context has a space before it, as inside a sentence: a context of words' embeddings gives the same
        embedding as those words.

        Args:
            names: The C class names as words, such as "angry".
            text: The text encoder; its width must be the prompt's.
        """
        contexts, _, length, dim = self.context_KCLD.shape
        if dim != text.width:
            raise ValueError(f"the prompt is {dim} wide but {text.source} embeds to {text.width}")
        written = [f" {name}" if self._before(length) else name for name in names]
        ids_CL, mask_CL = text.tokens(written)
        word_CLD = text.embed_tokens(ids_CL)
        context_KCLD = self.context_KCLD.expand(-1, len(names), -1, -1)
        longest = length + word_CLD.shape[1]
        sequences = []
        for c, name in enumerate(written):
            word_LD = word_CLD[c, : int(mask_CL[c].sum())]
            sequence_KLD = self._insert(context_KCLD[:, c], word_LD, *around_name(text, name))
            sequences.append(nn.functional.pad(sequence_KLD, (0, 0, 0, longest - sequence_KLD.shape[1])))
        padded_CKLD = torch.stack(sequences)
        mask_CKL = torch.cat([mask_CL.new_ones(len(names), length), mask_CL], 1)[:, None].expand(-1, contexts, -1)
        pooled_ND = text.from_embeddings(padded_CKLD.flatten(0, 1), mask_CKL.flatten(0, 1))
        return pooled_ND.view(len(names), contexts, -1).transpose(0, 1)

    def _before(self, length: int) -> int:
        """Return the number of a context's vectors before the name."""
        return {"end": length, "middle": length // 2, "front": 0}[self.position]

    def _insert(self, context_KLD: Tensor, word_LD: Tensor, first: int, last: int) -> Tensor:
        """Insert K contexts around a class name, between its first and last special tokens: [K, L + l, D]."""
        word_KLD = word_LD.expand(len(context_KLD), -1, -1)
        head, name, tail = word_KLD.tensor_split([first, len(word_LD) - last], 1)
        before, after = context_KLD.tensor_split([self._before(context_KLD.shape[1])], 1)
        return torch.cat([head, before, name, after, tail], 1)


def around_name(text: TextEncoder, name: str) -> tuple[int, int]:
    """Count the tokens before and after those of a name: special ones of the tokenizer, and those of the suffix.

    BERT and RoBERTa add one before and one after; GPT-2 adds none, so that the suffix alone follows the name.

    Args:
        text: Encoder with the tokenizer.
        name: The name as in the text, with the space before it if there is one.
    """
    encoded = text.tokenizer(name + text.suffix, return_special_tokens_mask=True)
    ids = encoded["input_ids"]
    added = encoded["special_tokens_mask"]
    before = added.index(0) if 0 in added else len(added)
    name_ids = text.tokenizer(name, add_special_tokens=False)["input_ids"]
    # The tokenizer does not count the suffix as added, so the name ends with the last id that it has alone, too.
    same = takewhile(lambda pair: pair[0] == pair[1], zip(name_ids, ids[before:], strict=False))
    return before, len(ids) - before - len(list(same))
