"""Where the tokens of a class name lie among those that stand around it."""

from itertools import takewhile

from models.text import TextEncoder


def around_name(text: TextEncoder, name: str) -> tuple[int, int]:
    """Count the tokens before and after a name's own: special ones of the tokenizer, and those of the suffix.

    BERT and RoBERTa put one before and one after; GPT-2 none, so that after the name stands the suffix alone.

    Args:
        text: The encoder whose tokenizer it is.
        name: As it is written before the suffix, with the space before it if there is one.
    """
    encoded = text.tokenizer(name + text.suffix, return_special_tokens_mask=True)
    ids, added = encoded["input_ids"], encoded["special_tokens_mask"]
    before = added.index(0) if 0 in added else len(added)
    own = text.tokenizer(name, add_special_tokens=False)["input_ids"]
    # The suffix may end in a token of its own that the tokenizer does not count as added.
    kept = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(own, ids[before:], strict=False))))
    return before, len(ids) - before - kept
