"""Keys that look like secrets, whose values no file of a run folder holds."""

import re
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

MASK = "***"
SECRET = re.compile(r"(^|[._-])(token|password|passwd|secret|(api|access|auth)_?key)$", re.IGNORECASE)


def is_secret(key: str) -> bool:
    """Whether a dotted key names a token, a password or the like.

    >>> [is_secret(key) for key in ("trainer.logger.api_key", "hf_token", "data.key", "model.text.tokenizer")]
    [True, True, False, False]
    """
    return bool(SECRET.search(key))


def masked(tree: Any, key: str = "") -> Any:
    """A copy of settings, in mappings, lists and namespaces, with ``***`` for each text under a secret's key."""
    if isinstance(tree, str):
        return MASK if tree and is_secret(key) else tree
    if isinstance(tree, dict):
        return {name: masked(value, str(name)) for name, value in tree.items()}
    if isinstance(tree, list):
        return [masked(value, key) for value in tree]
    if isinstance(tree, Namespace):
        copy = type(tree)()
        for name, value in vars(tree).items():
            setattr(copy, name, masked(value, name))
        return copy
    return tree


def masked_words(words: Sequence[str]) -> list[str]:
    """A command line with ``***`` for the value of each option that is a secret.

    >>> masked_words(["fit", "--logger.api_key=abc", "--hf_token", "abc", "--data.fold", "1"])
    ['fit', '--logger.api_key=***', '--hf_token', '***', '--data.fold', '1']
    """
    written = []
    for before, word in zip(["", *words], words, strict=False):
        key, equals, value = word.partition("=")
        if key.startswith("--") and equals and value and is_secret(key):
            written.append(f"{key}={MASK}")
        elif before.startswith("--") and "=" not in before and is_secret(before) and not word.startswith("--"):
            written.append(MASK)
        else:
            written.append(word)
    return written
