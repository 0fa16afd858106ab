"""What can be wrong with captions that somebody else wrote: a language model, or a person with a table."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from datamodules.errors import DataError

# What language models say of themselves in place of the matter. "I'm sorry" on its own may be what a clip says.
REFUSALS = re.compile(
    r"\bas an? (ai|artificial intelligence|(large )?language model)\b"
    r"|\b(i'm|i am) (sorry|unable)\b.{0,20}\b(i|to) (can|am|assist|help|provide|write|generate|create|fulfil)"
    r"|\bi (can ?not|can't|won't) (assist|help|provide|write|generate|create|describe|fulfil|comply|answer)",
    re.IGNORECASE,
)
SHOWN = 5


@dataclass(frozen=True)
class CaptionRules:
    """What captions have to keep to.

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
    r"""The first thing that is wrong with a caption, as a kind such as ``contains digits``; None where nothing is.

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
    """The places of every mistake, by its kind.

    Args:
        captions: What was written, by place, such as ``captions.csv:7`` or the clip's id; None where nothing was.
        rules: What captions have to keep to.
    """
    found: dict[str, list[str]] = {}
    for place, text in captions.items():
        if kind := caption_problem(text, rules):
            found.setdefault(kind, []).append(place)
    return found


def require_sound(captions: Mapping[str, str | None], rules: CaptionRules, remedy: str) -> None:
    """Refuse captions with any mistake.

    Raises:
        DataError: How many there are of each kind, the first five places of each with the text, and the remedy.
    """
    found = caption_problems(captions, rules)
    if found:
        wrong = sum(map(len, found.values()))
        lines = [f"{len(places)} {kind}: {_listed(places, captions)}" for kind, places in found.items()]
        raise DataError(f"{wrong} of {len(captions)} captions cannot be used; {remedy}\n  " + "\n  ".join(lines))


def count_kinds(kinds: Iterable[str]) -> str:
    """Kinds with their number, the most frequent first.

    >>> count_kinds(["empty", "contains digits", "empty"])
    '2 empty, 1 contains digits'
    """
    counted: dict[str, int] = {}
    for kind in kinds:
        counted[kind] = counted.get(kind, 0) + 1
    return ", ".join(f"{counted[kind]} {kind}" for kind in sorted(counted, key=lambda kind: (-counted[kind], kind)))


def _is_word(letter: str) -> bool:
    """Chinese and Japanese numerals are words among words, as "one" is."""
    return letter.isalpha()


def _listed(places: Sequence[str], captions: Mapping[str, str | None]) -> str:
    shown = []
    for place in places[:SHOWN]:
        text = " ".join((captions[place] or "").split())
        shown.append(f"{place} ({text[:60]}{'...' if len(text) > 60 else ''})" if text else place)
    return "; ".join(shown) + ("; ..." if len(places) > SHOWN else "")
