import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.errors import DataError
from datamodules.manifest.folds import deal, random_folds, speaker_folds, speaker_keys


def rows_of(speakers, **columns):
    return pd.DataFrame({"id": [f"c{n}" for n in range(len(speakers))], "speaker": speakers, **columns})


def test_speaker_folds_from_groups():
    folds = speaker_folds(rows_of(["a", "b", "c", "a", "x"]), [["a"], ["b", "c"]])
    assert folds.tolist()[:4] == [0, 1, 1, 0]
    assert folds.isna().tolist() == [False] * 4 + [True]


def test_speaker_folds_deal_each_gender_in_turn():
    speakers = [f"m{n}" for n in range(4)] + [f"f{n}" for n in range(4)]
    rows = rows_of(speakers, gender=["male"] * 4 + ["female"] * 4)
    folds = speaker_folds(rows, 4)
    assert sorted(folds[:4]) == sorted(folds[4:]) == [0, 1, 2, 3]


def test_speaker_folds_tell_corpora_apart_and_refuse_too_few():
    rows = rows_of(["1", "1", ""], corpus=["a", "b", "b"])
    assert list(speaker_keys(rows)) == ["a/1", "b/1", ""]
    assert speaker_folds(rows, 2).tolist()[:2] == [0, 1]
    with pytest.raises(DataError, match="found 2 speakers, expected at least 3"):
        speaker_folds(rows, 3)


def test_speaker_folds_balance_clips_and_emotions_as_well_as_speakers():
    """A few speakers of many clips, and an emotion of few speakers, as corpora from the wild have them."""
    sizes = [80, 48, 40, 38, 28, 28, 22, 14, 14, 12, 12, 10] + [4] * 17
    loud = {0, 1, 4, 6, 9, 20}  # those who are angry
    speakers = [f"s{number:02}" for number, size in enumerate(sizes) for _ in range(size)]
    emotions = [
        "anger" if number in loud and clip % 2 else "neutral"
        for number, size in enumerate(sizes)
        for clip in range(size)
    ]
    rows = rows_of(speakers, emotion=emotions, gender=["female" if int(name[1:]) % 2 else "male" for name in speakers])
    rows["fold"] = speaker_folds(rows, 5)
    clips = rows["fold"].value_counts()
    assert clips.max() <= 1.3 * clips.min()
    angry = rows[rows["emotion"] == "anger"]["fold"].value_counts()
    assert set(angry.index) == set(range(5))
    people = rows.drop_duplicates("speaker")["fold"].value_counts()
    assert people.max() - people.min() <= 2


def test_speakers_of_one_emotion_are_spread_over_the_folds():
    angry = {"s0", "s1", "s2", "s5", "s6"}
    speakers = [f"s{number}" for number in range(10) for _ in range(4)]
    rows = rows_of(speakers, emotion=["anger" if name in angry else "neutral" for name in speakers])
    rows["fold"] = speaker_folds(rows, 5)
    assert (rows.groupby(["fold", "emotion"]).size() == 4).all()


def test_groups_are_moved_and_exchanged_until_folds_are_alike():
    counts = np.array([[5.0], [4.0], [3.0], [3.0], [3.0]])  # by size alone: 5 + 3 + 3 and 4 + 3
    fold = deal(counts, np.ones(1), 2)
    assert sorted(counts[np.array(fold) == number].sum() for number in range(2)) == [9.0, 9.0]


@settings(max_examples=50, deadline=None)
@given(speakers=st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=40), n=st.integers(1, 8), data=st.data())
def test_no_speaker_is_in_two_folds_and_order_does_not_matter(speakers, n, data):
    n = min(n, len(set(speakers)))
    rows = rows_of(speakers).assign(fold=lambda rows: speaker_folds(rows, n))
    assert (rows.groupby("speaker")["fold"].nunique() == 1).all()
    assert set(rows["fold"]) == set(range(n))
    shuffled = rows.loc[data.draw(st.permutations(list(rows.index)))]
    assert list(speaker_folds(shuffled, n)) == list(shuffled["fold"])


@settings(max_examples=50, deadline=None)
@given(emotions=st.lists(st.sampled_from(["anger", "fear", ""]), min_size=10, max_size=80), seed=st.integers(0, 9))
def test_random_folds_are_stratified_and_do_not_depend_on_order(emotions, seed):
    rows = rows_of(["s"] * len(emotions), emotion=emotions)
    rows["fold"] = random_folds(rows, 10, seed)
    sizes = rows["fold"].value_counts().reindex(range(10), fill_value=0)
    assert sizes.max() - sizes.min() <= 1
    for _, part in rows.groupby("emotion"):
        counts = part["fold"].value_counts().reindex(range(10), fill_value=0)
        assert counts.max() - counts.min() <= 1
    assert list(random_folds(rows[::-1], 10, seed)) == list(rows["fold"][::-1])


def test_random_folds_change_with_the_seed_and_refuse_too_few_rows():
    rows = rows_of(["s"] * 50, emotion=["anger"] * 50)
    assert list(random_folds(rows, 10, 0)) != list(random_folds(rows, 10, 1))
    # A fixed draw: the same on every machine and in every release.
    assert list(random_folds(rows[:10], 10, 0)) == [5, 9, 4, 1, 0, 3, 2, 7, 8, 6]
    with pytest.raises(DataError, match="found 9 rows, expected at least 10"):
        random_folds(rows[:9], 10)
