"""Where a setting stands: the file, line and column that a message names."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from lightning_app.config.files import is_file, load_yaml, where


def place(keys: Sequence[str], words: Sequence[str]) -> str:
    """``file:line:column: `` of a key in the last file that sets it; empty where an option on the command line does.

    Args:
        keys: The way to the setting, without ``init_args``.
        words: The command line.
    """
    dotted = ".".join(keys)
    flags_last = sorted(_options(words), key=lambda option: option[0] not in ("config", "c"))
    for name, value in reversed(flags_last):
        prefix = "" if name in ("config", "c") else f"{name}."
        if name == dotted:
            return ""
        if dotted.startswith(prefix) and value.endswith(".yaml") and is_file(Path(value)):
            found = _place_in(dotted.removeprefix(prefix).split("."), Path(value))
            if found:
                return f"{found}: "
    return ""


def _options(words: Sequence[str]) -> Iterable[tuple[str, str]]:
    """Every option with its value; ``init_args`` may be left out of keys, and is."""
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            yield name.replace(".init_args", ""), value if equals else following


def _place_in(keys: Sequence[str], file: Path) -> str:
    """The place of a setting in a file or in one that it includes; empty where neither sets it."""
    tree: object = load_yaml(file)
    path: list[str] = []
    for number, key in enumerate(keys):
        if isinstance(tree, dict) and key not in tree and isinstance(tree.get("init_args"), dict):
            path.append("init_args")
            tree = tree["init_args"]
        if isinstance(tree, str) and tree.endswith(".yaml") and is_file(file.parent / tree):
            return _place_in(keys[number:], file.parent / tree)
        if not isinstance(tree, dict) or key not in tree:
            return ""
        path.append(key)
        tree = tree[key]
    return where(file, path)
