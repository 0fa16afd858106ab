import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.captions.caption_validation import (
    CaptionRules,
    caption_problem,
    caption_problems,
    count_kinds,
    require_valid,
)
from datamodules.errors import DataError

RULES = CaptionRules("The person is speaking", forbid_digits=True, max_words=12, whole_sentence=True)
GOOD = "The person is speaking in a calm voice."


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (GOOD, None),
        ("The person is speaking as one of three would!", None),
        (None, "missing"),
        ("", "empty"),
        (" \n\t", "empty"),
        ("The person is speaking at level 5.", "contains digits"),
        ("The person is speaking at level \N{DEVANAGARI DIGIT FIVE}.", "contains digits"),
        ("The person is speaking at level \N{CIRCLED DIGIT FIVE}.", "contains digits"),
        ("The person is speaking \N{VULGAR FRACTION ONE HALF} loud.", "contains digits"),
        ("Speaking calmly.", "does not begin with 'The person is speaking'"),
        ("the person is speaking calmly.", "does not begin with 'The person is speaking'"),
        ("I'm sorry, but I can't help with that.", "a refusal"),
        ("I\N{RIGHT SINGLE QUOTATION MARK}m sorry, I cannot describe that.", "a refusal"),
        ("I cannot provide a sentence.", "a refusal"),
        ("The person is speaking, as an AI language model would put it.", "a refusal"),
        ("The person is speaking " + "very " * 20 + "calmly.", "longer than 12 words"),
        ("The person is speaking in a calm and", "unfinished"),
    ],
)
def test_kinds(text, kind):
    assert caption_problem(text, RULES) == kind


@pytest.mark.parametrize("text", ["I'm sorry.", "I can't wait to see you", "She is aiming high", "Number 5", "half a"])
def test_without_rules_only_what_no_caption_can_be_is_refused(text):
    assert caption_problem(text, CaptionRules()) is None


@given(st.text(st.characters(categories=["Nd"]), min_size=1, max_size=3))
def test_a_decimal_digit_of_any_script_is_found(digits):
    assert caption_problem(f"The person is speaking {digits}.", RULES) == "contains digits"


def test_every_mistake_is_counted_by_kind_with_its_first_five_places():
    captions = {f"t.csv:{n}": "The person is speaking 1." for n in range(2, 9)} | {"a": GOOD, "b": None, "c": ""}
    found = caption_problems(captions, RULES)
    assert {kind: len(places) for kind, places in found.items()} == {"contains digits": 7, "missing": 1, "empty": 1}
    with pytest.raises(DataError) as caught:
        require_valid(captions, RULES, "mend them")
    first, digits, missing, empty = str(caught.value).split("\n  ")
    assert first == "9 of 10 captions cannot be used; mend them"
    assert digits.startswith("7 contains digits: t.csv:2 (The person is speaking 1.); t.csv:3")
    assert "t.csv:6" in digits
    assert "t.csv:7" not in digits
    assert (missing, empty) == ("1 missing: b", "1 empty: c")


def test_sound_captions_pass():
    require_valid({"a": GOOD}, RULES, "")


def test_kinds_are_counted():
    assert count_kinds(["b", "a", "b", "c"]) == "2 b, 1 a, 1 c"
    assert count_kinds([]) == ""
