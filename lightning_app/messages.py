"""The parser's messages, cut down to what a person needs."""

import inspect
import re
from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

NOISE = re.compile(
    r"^\s*(-\s*)?(Given value( type)?:|Subtypes:|Does not validate against any of the Union subtypes|Errors:\s*$"
    r"|Expected a <class 'NoneType'>|Problem with given class_path .*:$)"
)
UNKNOWN = re.compile(r"(?:Option|option|unrecognized arguments:) '?-*([\w.]+)'?")
CLASS = re.compile(r"class_path '([\w.]+)'")


def short_parse_error(message: str, configs: Iterable[str] = ()) -> str:
    r"""Drop the lines that repeat the input or speak of types nobody meant; say where it stands, and what was meant.

    Args:
        message: The parser's.
        configs: The configuration files of the command line.

    >>> short_parse_error("Parser key:\\n  Expected a <class 'NoneType'>. Got value: 3\\n  Option 'dmi' is wrong")
    "Parser key: Option 'dmi' is wrong"
    """
    lines = [line for line in message.splitlines() if line.strip() and not NOISE.match(line)]
    text = re.sub(r"\s+", " ", " ".join(re.sub(r"^\s*-?\s*", "", line) for line in lines)).strip() or message
    unknown = UNKNOWN.search(text)
    if unknown is None:
        return text
    word = unknown.group(1)
    owner = ([None, *CLASS.findall(message)])[-1] or ("lightning.pytorch.Trainer" if "trainer." in word else None)
    return f"{_place(word, configs)}{text}{_did_you_mean(word.rpartition('.')[2], owner)}"


def _place(word: str, configs: Iterable[str]) -> str:
    """``file:line: `` of a key in the configuration files, if it stands in one of them."""
    key = re.compile(rf"(^|[\s{{,]){re.escape(word.rpartition('.')[2])}\s*:")
    for name in configs:
        for number, line in enumerate(Path(name).read_text(encoding="utf-8").splitlines(), start=1):
            if key.search(line.partition("#")[0]):
                return f"{name}:{number}: "
    return ""


def _did_you_mean(word: str, class_path: str | None) -> str:
    """The end of a message that offers the parameter of a class whose name is nearest; empty where none is near."""
    if class_path is None:
        return ""
    module, _, name = class_path.rpartition(".")
    known = inspect.signature(getattr(import_module(module), name)).parameters
    near = get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; expected one of {', '.join(known)}"
