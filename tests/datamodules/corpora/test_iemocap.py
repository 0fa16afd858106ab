import logging
from collections import Counter
from pathlib import Path

import pytest

from datamodules.corpora import find_corpus
from datamodules.errors import DataError
from datamodules.manifest.reading import check_manifest, write_manifest
from datamodules.manifest.tables import read_table, table_of

HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n"
LISTENERS = "C-E2:\tNeutral;\t()\nA-E3:\tval 3; act 2; dom  2;\t()\n"
DIALOG = "Ses01F_impro01"
TURNS = (("F000", "neu", "2.5000, 2.5000, 2.5000"), ("M000", "xxx", "1.0000, 5.0000, 3.0000"))


def session(root: Path, dialog: str = DIALOG, turns: tuple[tuple[str, str, str], ...] = TURNS) -> Path:
    """One dialogue of the release under its session: evaluations, transcriptions, and empty recordings."""
    home = root / f"Session{dialog[4]}"
    for folder in ("dialog/EmoEvaluation/Categorical", "dialog/transcriptions", "dialog/wav"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    (home / "sentences" / "wav" / dialog).mkdir(parents=True, exist_ok=True)
    (home / "dialog" / "wav" / f"{dialog}.wav").touch()
    text = HEADER
    said = ""
    for number, (turn, emotion, ratings) in enumerate(turns):
        text += f"\n[{number}.2901 - {number + 2}.2357]\t{dialog}_{turn}\t{emotion}\t[{ratings}]\n{LISTENERS}"
        said += f"{dialog}_{turn} [00{number}.2901-00{number + 2}.2357]: Turn: number {number}.\n"
        (home / "sentences" / "wav" / dialog / f"{dialog}_{turn}.wav").touch()
    (home / "dialog" / "EmoEvaluation" / f"{dialog}.txt").write_text(text)
    (home / "dialog" / "EmoEvaluation" / f"._{dialog}.txt").write_bytes(b"\0\5\x16\7[not a line")
    (home / "dialog" / "EmoEvaluation" / "Categorical" / f"{dialog}_e2_cat.txt").write_text("[not a turn either")
    (home / "dialog" / "transcriptions" / f"{dialog}.txt").write_text(said + "M: Not a turn.\n")
    return home


def test_every_turn_becomes_a_row(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    session(tmp_path)
    with caplog.at_level(logging.WARNING):
        first, second = find_corpus("iemocap").rows(tmp_path)
    assert first == {
        "id": "Ses01F_impro01_F000",
        "file": str(tmp_path / "Session1" / "sentences" / "wav" / DIALOG / "Ses01F_impro01_F000.wav"),
        "corpus": "iemocap",
        "language": "en",
        "speaker": "Ses01F",
        "gender": "female",
        "session": "Ses01",
        "transcript": "Turn: number 0.",
        "emotion": "neutral",
        "valence": 3.25,
        "arousal": 3.25,
        "dominance": 3.25,
        "fold_session": 0,
    }
    assert (second["speaker"], second["gender"], second["emotion"]) == ("Ses01M", "male", "")
    assert [second[name] for name in ("valence", "arousal", "dominance")] == [1.0, 7.0, 4.0]
    assert not caplog.text


def test_sessions_are_folds_and_hold_two_speakers_each(tmp_path: Path) -> None:
    for number in range(1, 6):
        session(tmp_path, f"Ses0{number}M_script01_1b")
    rows = find_corpus("iemocap").rows(tmp_path)
    assert Counter(row["fold_session"] for row in rows) == dict.fromkeys(range(5), 2)
    assert {(row["fold_session"], row["speaker"]) for row in rows} == {
        (number - 1, f"Ses0{number}{gender}") for number in range(1, 6) for gender in "FM"
    }


def test_the_rows_are_a_sound_manifest(tmp_path: Path) -> None:
    words = ("ang", "dis", "exc", "fea", "fru", "hap", "neu", "oth", "sad", "sur", "xxx")
    session(tmp_path, turns=tuple((f"F{number:03d}", word, "5, 5.0, 1") for number, word in enumerate(words)))
    write_manifest(table_of(find_corpus("iemocap").rows(tmp_path)), tmp_path / "manifest.csv")
    rows = check_manifest(read_table(tmp_path / "manifest.csv"), tmp_path / "manifest.csv")
    assert set(rows["emotion"]) == {*find_corpus("iemocap").counts, ""}
    assert rows["valence"].tolist() == [7.0] * len(words)


def test_published_counts_are_the_four_classes_that_papers_use() -> None:
    counts = find_corpus("iemocap").counts
    assert sum(counts[name] for name in ("anger", "happiness", "excitement", "neutral", "sadness")) == 5531


def test_a_rating_off_the_scale_is_left_empty(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    session(tmp_path, turns=(("F000", "hap", "5.5000, 3.0000, 0.5000"),))
    with caplog.at_level(logging.WARNING):
        (row,) = find_corpus("iemocap").rows(tmp_path)
    assert [row[name] for name in ("valence", "arousal", "dominance")] == [None, 4.0, None]
    assert "Ses01F_impro01.txt:3: the rating 5.5000 is left out" in caplog.text


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("[6.29 - 8.23]\tSes01F_impro01_F001\tneu\t[2.5, 2.5]", "expected a line such as"),
        ("[6.29 - 8.23]\tSes01F_impro01_F001\tneu\t[2.5, 2.5, high]", "expected a line such as"),
        ("[6.29 - ]\tSes01F_impro01_F001\tneu\t[2.5, 2.5, 2.5]", "expected a line such as"),
        ("[6.29 - 8.23]\tSes09F_impro01_F001\tneu\t[2.5, 2.5, 2.5]", "expected a line such as"),
        ("[6.29 - 8.23]\tSes01F_impro01_F001\tjoy\t[2.5, 2.5, 2.5]", "'joy', expected one of ang"),
    ],
)
def test_a_line_that_is_not_as_published_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    evaluation = session(tmp_path) / "dialog" / "EmoEvaluation" / f"{DIALOG}.txt"
    evaluation.write_text(f"{HEADER}\n{line}\n")
    with pytest.raises(DataError, match=rf"Ses01F_impro01.txt:3: found .*{complaint}"):
        find_corpus("iemocap").rows(tmp_path)


def test_what_is_missing_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    home = session(tmp_path)
    sentences = home / "sentences" / "wav" / DIALOG
    (sentences / "Ses01F_impro01_F000.wav").rename(sentences / "Ses01F_impro01_F009.wav")
    with caplog.at_level(logging.WARNING):
        rows = find_corpus("iemocap").rows(tmp_path)
    assert "1 wav files are left out, because no evaluation lists them" in caplog.text
    assert Path(str(rows[0]["file"])) == sentences / "Ses01F_impro01_F000.wav"
    for file in (home / "dialog" / "EmoEvaluation").glob("*.txt"):
        file.unlink()
    with pytest.raises(DataError, match=r"EmoEvaluation: found no evaluations, expected files such as Ses01F_impro01"):
        find_corpus("iemocap").rows(tmp_path)
    for file in sentences.iterdir():
        file.unlink()
    with pytest.raises(DataError, match="found whole dialogues alone, expected the turns too"):
        find_corpus("iemocap").rows(tmp_path)


def test_transcriptions_may_be_missing(tmp_path: Path) -> None:
    (session(tmp_path) / "dialog" / "transcriptions" / f"{DIALOG}.txt").unlink()
    assert {row["transcript"] for row in find_corpus("iemocap").rows(tmp_path)} == {""}
