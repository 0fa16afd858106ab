"""The parser's messages, cut down to what a person needs."""

import re
from difflib import get_close_matches

NOISE = re.compile(
    r"^\s*(-\s*)?(Given value( type)?:|Subtypes:|Does not validate against any of the Union subtypes"
    r"|Expected a <class 'NoneType'>|Problem with given class_path .*:$)"
)


def short_parse_error(message: str) -> str:
    """Drop the lines that repeat the input or speak of types nobody meant, and close up the rest.

    >>> short_parse_error("Parser key \\"model\\":\\n  Expected a <class 'NoneType'>. Got value: 3\\n  Option 'dmi' is wrong")
    'Parser key "model": Option \\'dmi\\' is wrong'
    """
    lines = [line for line in message.splitlines() if line.strip() and not NOISE.match(line)]
    text = " ".join(re.sub(r"^\s*-?\s*", "", line) for line in lines)
    return re.sub(r"\s+", " ", text).strip() or message


def did_you_mean(word: str, known: list[str]) -> str:
    """The end of a message that offers the nearest known word; empty where none is near."""
    near = get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
