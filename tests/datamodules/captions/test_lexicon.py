import re
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from datamodules.captions.lexicon import DEGREES, FRAMES, NRC_NAMES, LexiconCaptions, nrc_words, own_words
from datamodules.errors import DataError
from datamodules.labels import EMOTIONS, Emotion

KNOWN = [name for name, noun in NRC_NAMES.items() if noun]


def nrc_file(path: Path, *extra: str, intensities: bool = False, header: bool = False) -> Path:
    lines = ["term\temotion\tscore"] if header else []
    for name in NRC_NAMES:
        lines += [f"{name}word{n}\t{name}\t{(n + 1) / 12 if intensities else 1}" for n in range(12)]
        lines += [f"un{name}\t{name}\t0"]
    path.write_text("\n".join([*lines, *extra]) + "\n")
    return path


def rows(labels: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"id": [f"clip{n}" for n in range(len(labels))], "label": labels})


def test_our_own_words():
    words = own_words()
    assert set(words) == set(EMOTIONS)
    for noun, entries in words.items():
        if [word for word, _ in entries] == sorted(EMOTIONS[noun].synonyms):
            continue  # not in the list yet
        assert 15 <= len(entries) <= 25
        assert len({word for word, _ in entries}) == len(entries), noun
        scores = [score for _, score in entries]
        assert scores == sorted(scores)
        assert 0 < scores[0] < scores[-1] <= 1


@pytest.mark.parametrize("label", EMOTIONS)
def test_every_emotion_is_described_in_its_own_words(label):
    source, mine = LexiconCaptions(), [word for word, _ in own_words()[label]]
    texts = source.write(rows([label] * 200), rows([]))
    assert len(set(texts)) > 60
    for text in texts:
        assert EMOTIONS[label].adjective in text
        assert sum(bool(re.search(rf"(?<![\w-]){word}(?![\w-])", text)) for word in mine) >= 3
        assert not re.search(r"[{}\d]|  |\ba [aeiou]", text)


@pytest.mark.parametrize(("synonyms", "found"), [(("proud-hearted", "lofty", "haughty"), 3), (("lofty",), 1)])
def test_an_emotion_that_the_list_does_not_have_is_described_by_its_synonyms(monkeypatch, synonyms, found):
    monkeypatch.setitem(EMOTIONS, "pride", Emotion("pride", "proud", synonyms))
    source = LexiconCaptions()
    if found < 3:
        with pytest.raises(DataError, match=r"the lexicon has 1 words for pride, expected 3 or more; add some to"):
            source.write(rows(["pride"]), rows([]))
        return
    texts = source.write(rows(["pride"] * 20), rows([]))
    assert all(all(word in text for word in ("proud", *synonyms)) for text in texts)
    assert not any(degree in text for text in texts for degree in ("slightly", "intensely"))


def test_the_degree_goes_with_the_words():
    weak, _, strong = ([word for word, _ in part] for part in _thirds("anger"))
    for text in LexiconCaptions().write(rows(["anger"] * 100), rows([])):
        for degree, words in (("slightly", weak), ("intensely", strong)):
            assert (degree in text) == (sum(word in text for word in words) >= 3)
    assert not any(
        d in text
        for d in ("slightly", "intensely")
        for text in LexiconCaptions().write(rows(["neutral"] * 50), rows([]))
    )


def _thirds(label: str) -> list[list[tuple[str, float]]]:
    entries = [entry for entry in own_words()[label] if entry[0] != EMOTIONS[label].adjective]
    bounds = [place * len(entries) // len(DEGREES) for place in range(4)]
    return [entries[first:last] for first, last in pairwise(bounds)]


def test_captions_depend_on_class_id_and_seed_alone():
    some = rows(["anger", "fear", "anger"])
    texts = LexiconCaptions(seed=3).write(some, some[:0])
    assert texts == LexiconCaptions(seed=3).write(some, some)
    assert texts[::-1] == LexiconCaptions(seed=3).write(some[::-1], some)
    assert texts != LexiconCaptions(seed=4).write(some, some)
    assert len(FRAMES) == 5


def test_clips_without_a_class_are_named():
    with pytest.raises(DataError, match=r"1 of 2 clips have no class.*clip1.*'emotion'.*data.texts.caption"):
        LexiconCaptions().write(rows(["anger", ""]), rows([]))


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("intensities", [True, False])
def test_the_nrc_lexicons_are_read(tmp_path, intensities, header):
    path = nrc_file(tmp_path / "nrc.txt", intensities=intensities, header=header)
    words = nrc_words(path)
    assert set(words) == {"anger", "disgust", "fear", "happiness", "sadness", "surprise"}
    assert {word for word, _ in words["happiness"]} == {f"joyword{n}" for n in range(12)}
    texts = LexiconCaptions(path).write(rows(["happiness"] * 50 + ["boredom"]), rows([]))
    assert all(text.count("joyword") == 3 for text in texts[:50])
    assert any("intensely" in text for text in texts[:50]) == intensities
    assert "word" not in texts[50].replace("words", "")  # ours, which the NRC's do not replace
    if intensities:
        assert [word for word, _ in words["fear"]] == [f"fearword{n}" for n in range(12)]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("happy\tjoy", "found 2 cells, expected word<TAB>emotion<TAB>score"),
        ("happy,joy,1", "found 1 cells"),
        ("happy\tjoi\t1", "found the emotion 'joi', expected one of anger, disgust"),
        ("happy\tjoy\tyes", "found the score 'yes', expected a number from 0 to 1"),
        ("happy\tjoy\t2", "found the score '2'"),
        ("happy\tjoy\tnan", "found the score 'nan'"),
        ("\tjoy\t1", "the word is empty"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, says):
    path = nrc_file(tmp_path / "nrc.txt", line)
    with pytest.raises(DataError, match=re.escape(f"{path}:131: {says}")):
        LexiconCaptions(path)


def test_a_bad_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nrc.txt: no such file.*caption.init_args.lexicon"):
        nrc_words(tmp_path / "nrc.txt")
    (tmp_path / "few.txt").write_text("happy\tjoy\t1\n")
    with pytest.raises(DataError, match="fewer than 10 words of anger, disgust, fear, joy"):
        nrc_words(tmp_path / "few.txt")
    (tmp_path / "latin.txt").write_bytes(b"happy\tjoy\t1\nna\xefve\tjoy\t1\n")
    with pytest.raises(DataError, match=r"latin.txt:2: not UTF-8"):
        nrc_words(tmp_path / "latin.txt")
