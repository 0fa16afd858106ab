"""Keys that look like secrets, whose values no file of a run folder holds."""

import json
import re
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from lightning_app.config.yaml_file import parse_value

MASK = "***"
SECRET = re.compile(r"(^|[._-])(token|password|passwd|secret|(api|access|auth)_?key)$", re.IGNORECASE)
IN_ADDRESS = re.compile(r"(://[^\s/@:]*:)[^\s/]+@")


def is_secret(key: str) -> bool:
    """Whether a dotted key names a token, a password or the like.

    >>> [is_secret(key) for key in ("trainer.logger.api_key", "hf_token", "data.key", "model.text.tokenizer")]
    [True, True, False, False]
    """
    return bool(SECRET.search(key))


def masked(tree: Any, key: str = "") -> Any:
    """A copy of settings, in mappings, lists and namespaces, with ``***`` for each secret.

    Secret are texts and numbers under a secret's key, and the password of an address.

    >>> masked({"token": "abc", "url": "https://ann:abc@host/x"})
    {'token': '***', 'url': 'https://ann:***@host/x'}
    """
    if isinstance(tree, str | float) or type(tree) is int:
        if is_secret(key) and tree != "":
            return MASK
        return IN_ADDRESS.sub(rf"\g<1>{MASK}@", tree) if isinstance(tree, str) else tree
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
    """A command line with ``***`` for each secret: an option's value, or a part of it in JSON or YAML.

    >>> masked_words(["fit", "--logger.api_key=abc", "--hf_token", "abc", "--data.split.fold", "1"])
    ['fit', '--logger.api_key=***', '--hf_token', '***', '--data.split.fold', '1']
    >>> masked_words(["fit", '--logger={"init_args": {"api_key": "abc"}}'])
    ['fit', '--logger={"init_args": {"api_key": "***"}}']
    """
    written = []
    for before, word in zip(["", *words], words, strict=False):
        key, equals, value = word.partition("=")
        if key.startswith("--") and equals and value and is_secret(key):
            written.append(f"{key}={MASK}")
        elif before.startswith("--") and "=" not in before and is_secret(before) and not word.startswith("--"):
            written.append(MASK)
        elif key.startswith("--") and equals:
            written.append(f"{key}={_masked_value(value)}")
        else:
            written.append(_masked_value(word))
    return written


def _masked_value(text: str) -> str:
    """A word that may be a mapping or a list; one without a secret stays as it was typed."""
    tree = parse_value(text)
    if isinstance(tree, dict | list) and (copy := masked(tree)) != tree:
        return json.dumps(copy, ensure_ascii=False, default=str)
    return str(masked(text))
