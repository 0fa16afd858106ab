from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.errors import DataError
from datamodules.manifest.folds import speaker_folds
from datamodules.manifest.leakage import check_disjoint
from datamodules.manifest.split import assign_fold

MANIFEST = Path("m.csv")


def rows_of(*clips, **columns):
    """Clips as (split, speaker) from line 2 on, each in a file of its own."""
    index = range(2, 2 + len(clips))
    rows = pd.DataFrame(list(clips), columns=["split", "speaker"], index=index)
    return rows.assign(file=[f"/{line}.wav" for line in index]).assign(**columns)


def refusal(rows, **options):
    with pytest.raises(DataError) as error:
        check_disjoint(rows, MANIFEST, **options)
    assert "m.csv: splits are not independent" in str(error.value)
    return str(error.value)


def test_a_speaker_in_train_and_test_is_named_with_lines():
    message = refusal(rows_of(("train", "a"), ("train", "b"), ("test", "a"), *[("train", "a")] * 4))
    assert "1 overlap\n" in message
    assert "speaker 'a': train (lines 2, 5, 6, ... 5 in all) and test (line 4)" in message


def test_the_same_name_in_two_corpora_is_two_speakers():
    rows = rows_of(("train", "1"), ("test", "1"), corpus=["x", "y"])
    assert check_disjoint(rows, MANIFEST) == {}


def test_unknown_speakers_are_counted_not_compared():
    rows = rows_of(("train", ""), ("test", ""), ("test", "a"), ("", ""))
    assert check_disjoint(rows, MANIFEST) == {"speaker": 2}
    assert check_disjoint(rows.drop(columns="speaker"), MANIFEST) == {"speaker": 3}
    said = check_disjoint(rows.assign(speaker=list("abcd")), MANIFEST, ("speaker", "transcript"))
    assert said == {"transcript": 3}


def test_dev_is_apart_from_train_and_from_test():
    rows = rows_of(("train", "a"), ("dev", "a"), ("test", "b"))
    assert check_disjoint(rows, MANIFEST, by=()) == {}
    assert "train (line 2) and dev (line 3)" in refusal(rows)
    assert "dev (line 3) and test (line 4)" in refusal(rows.assign(speaker="a"))


def test_sentences_are_compared_without_case_and_spacing_when_asked():
    rows = rows_of(("train", "a"), ("test", "b"), transcript=["Say the  word", " say the word"])
    assert check_disjoint(rows, MANIFEST) == {}
    assert "transcript 'say the word'" in refusal(rows, by=("speaker", "transcript"))


def test_a_file_in_two_splits_is_always_refused():
    rows = rows_of(("train", "a"), ("dev", "b")).assign(file="/x.wav")
    assert "the same audio, /x.wav: train (line 2) and dev (line 3)" in refusal(rows, by=())


def test_equal_contents_under_two_names_are_refused():
    rows = rows_of(("train", "a"), ("test", "b"), sha256=["f" * 64] * 2)
    assert "the same audio, " + "f" * 64 in refusal(rows)
    assert "leave each recording in the table once" in refusal(rows)
    assert check_disjoint(rows.assign(sha256=""), MANIFEST) == {}


@pytest.mark.parametrize(
    ("stretches", "shared"),
    [
        ([(0, 1), (1, 2)], False),
        ([(0, 1.5), (1, 2)], True),
        ([(1, 2), (0, None)], True),
        ([(None, 1), (1, None)], False),
        ([(0, 9), (2, 3)], True),
    ],
)
def test_parts_of_one_file_may_not_overlap(stretches, shared):
    rows = rows_of(("train", "a"), ("test", "b"), file="/x.wav", sha256="e" * 64)
    rows = rows.assign(start=[s for s, _ in stretches], end=[e for _, e in stretches]).astype(
        {"start": float, "end": float}
    )
    if shared:
        assert "1 overlap\n" in refusal(rows)
    else:
        assert check_disjoint(rows, MANIFEST) == {}


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["train", "dev", "test"]), st.integers(0, 12), st.integers(1, 4)),
        min_size=1,
        max_size=8,
    )
)
def test_overlaps_are_found_as_by_comparing_all_pairs(parts):
    rows = rows_of(*[(split, "") for split, _, _ in parts], file="/x.wav")
    rows = rows.assign(start=[float(s) for _, s, _ in parts], end=[float(s + d) for _, s, d in parts])
    expected = any(a != b and s < t + e and t < s + d for a, s, d in parts for b, t, e in parts)
    if expected:
        refusal(rows)
    else:
        check_disjoint(rows, MANIFEST)


def test_five_overlaps_are_listed_and_all_counted():
    message = refusal(rows_of(*[(split, str(n)) for n in range(8) for split in ("train", "test")]))
    assert "8 overlaps" in message
    assert message.count("speaker '") == 5
    assert "... and 3 more" in message


def test_the_remedy_is_a_protocol_that_is_there_and_keeps_apart():
    rows = rows_of(("train", "a"), ("test", "a"), ("test", "b"))
    assert "--data.split.protocol" not in refusal(rows)
    rows = rows.assign(fold_session=[0, 0, 1], fold_random10=[0, 1, 1], fold_empty=float("nan"))
    assert "choose folds that keep these apart (--data.split.protocol session);" in refusal(rows)


def test_speaker_folds_pass():
    rows = rows_of(*[("", speaker) for speaker in "abcabcabc"])
    rows = rows.assign(fold_speaker=speaker_folds(rows, 3))
    for fold in range(3):
        assert check_disjoint(assign_fold(rows, "speaker", fold, "next"), MANIFEST) == {}
