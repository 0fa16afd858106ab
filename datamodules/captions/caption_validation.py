"""Validation of captions that a language model wrote, or a person in a table."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from datamodules.errors import DataError

# Answers of language models about themselves. "I'm sorry" on its own may be what a speaker says.
REFUSALS = re.compile(
    r"\bas an? (ai|artificial intelligence|(large )?language model)\b"
    r"|\b(i'm|i am) (sorry|unable)\b.{0,20}\b(i|to) (can|am|assist|help|provide|write|generate|create|fulfil)"
    r"|\bi (can ?not|can't|won't) (assist|help|provide|write|generate|create|describe|fulfil|comply|answer)",
    re.IGNORECASE,
)
SHOWN = 5


@dataclass(frozen=True)
class CaptionRules:
    """Rules for captions.

    Args:
        prefix: How every caption begins; "" for any beginning.
        forbid_digits: No digit of any script.
        max_words: Longest caption, in words between spaces. The papers' text encoders read 512 tokens.
        whole_sentence: Every caption ends as a sentence does, and was not cut off.
    """

    prefix: str = ""
    forbid_digits: bool = False
    max_words: int = 300
    whole_sentence: bool = False


def caption_problem(text: str | None, rules: CaptionRules) -> str | None:
    r"""Return the first fault of a caption, a kind such as ``contains digits``; None for a valid one.

    >>> caption_problem("Spoken at level \N{ARABIC-INDIC DIGIT SEVEN}.", CaptionRules(forbid_digits=True))
    'contains digits'
    """
    if text is None:
        return "missing"
    if not text.strip():
        return "empty"
    if REFUSALS.search(text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")):
        return "a refusal"
    if not text.startswith(rules.prefix):
        return f"does not begin with {rules.prefix!r}"
    # Superscripts, circled digits and fractions are numeric without being digits.
    if rules.forbid_digits and any(letter.isnumeric() and not _is_word(letter) for letter in text):
        return "contains digits"
    if len(text.split()) > rules.max_words:
        return f"longer than {rules.max_words} words"
    if rules.whole_sentence and not text.endswith((".", "!", "?")):
        return "unfinished"
    return None


def caption_problems(captions: Mapping[str, str | None], rules: CaptionRules) -> dict[str, list[str]]:
    """List the locations of all faults, by kind.

    Args:
        captions: Captions by location, such as ``captions.csv:7`` or the clip's id; None for a missing one.
        rules: The rules that they have to follow.
    """
    found: dict[str, list[str]] = {}
    for location, text in captions.items():
        kind = caption_problem(text, rules)
        if kind is not None:
            found.setdefault(kind, []).append(location)
    return found


def require_valid(captions: Mapping[str, str | None], rules: CaptionRules, remedy: str) -> None:
    """Refuse captions with any fault.

    Raises:
        DataError: How many there are of each kind, the first five locations of each with the text, and the remedy.
    """
    found = caption_problems(captions, rules)
    if found:
        wrong = sum(map(len, found.values()))
        lines = [f"{len(locations)} {kind}: {_listed(locations, captions)}" for kind, locations in found.items()]
        raise DataError(f"{wrong} of {len(captions)} captions cannot be used; {remedy}\n  " + "\n  ".join(lines))


def count_kinds(kinds: Iterable[str]) -> str:
    """Count kinds of faults, the most frequent first, then in alphabetical order.

    >>> count_kinds(["empty", "contains digits", "empty"])
    '2 empty, 1 contains digits'
    """
    return ", ".join(f"{count} {kind}" for kind, count in Counter(sorted(kinds)).most_common())


def _is_word(letter: str) -> bool:
    """Whether a numeral is a word among words, as Chinese and Japanese numerals are."""
    return letter.isalpha()


def _listed(locations: Sequence[str], captions: Mapping[str, str | None]) -> str:
    shown = []
    for location in locations[:SHOWN]:
        text = " ".join((captions[location] or "").split())
        cut = f"{text[:60]}..." if len(text) > 60 else text
        shown.append(f"{location} ({cut})" if text else location)
    return "; ".join(shown) + ("; ..." if len(locations) > SHOWN else "")
