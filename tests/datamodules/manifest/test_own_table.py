import shlex

import pytest

from datamodules.errors import DataError
from datamodules.manifest.own_table import read_mapping, table_rows


@pytest.fixture
def table(tmp_path):
    for name in ("a.wav", "b.wav", "c.wav"):
        (tmp_path / name).touch()
    path = tmp_path / "mine.csv"
    path.write_text("path,emotion\na.wav,hap\nb.wav,hap\nc.wav,zzz\n")
    return path


def test_unknown_labels_are_listed_once_with_their_nearest(table):
    with pytest.raises(DataError) as error:
        table_rows(table, {})
    message = str(error.value)
    assert "2 labels that are not in the vocabulary" in message
    assert "'hap' (2 rows, first in line 2): --map hap=happiness\n" in message
    assert "'zzz' (1 row, first in line 4): --map zzz=  (no emotion is near; this leaves them" in message
    assert "all of them" not in message


def test_labels_in_other_letters_are_refused_with_the_words_to_copy(table):
    table.write_text("path,emotion\na.wav,Angry\nb.wav, neutral \nc.wav,ain't glad\n")
    with pytest.raises(DataError) as error:
        table_rows(table, {})
    [line] = [line for line in str(error.value).splitlines() if "all of them" in line]
    options = shlex.split(line.partition(": ")[2])
    assert options[::2] == ["--map"] * len(options[::2])
    mapping = read_mapping(options[1::2]) | {"ain't glad": ""}
    assert list(table_rows(table, mapping)["emotion"]) == ["anger", "neutral", ""]


def test_labels_are_translated_or_left_out(table):
    rows = table_rows(table, {"hap": "happiness", "zzz": ""})
    assert list(rows["emotion"]) == ["happiness", "happiness", ""]


def test_translation_happens_once(table):
    table.write_text("path,emotion\na.wav,fear\nb.wav,anger\n")
    rows = table_rows(table, {"fear": "anger", "anger": "fear"})
    assert list(rows["emotion"]) == ["anger", "fear"]


def test_a_table_without_labels_is_a_table(table):
    table.write_text("path\na.wav\n")
    assert list(table_rows(table, {})["id"]) == ["a"]


def test_other_mistakes_name_lines_of_the_users_table(table):
    table.write_text("path,valence\na.wav,9\n")
    with pytest.raises(DataError, match=r"mine\.csv:2 column 'valence': found 9"):
        table_rows(table, {})


def test_mappings_from_words_and_files(tmp_path):
    file = tmp_path / "map.csv"
    file.write_text("label,emotion\nneu,neutral\nx,\n")
    assert read_mapping(["hap=happiness", str(file), "y="]) == {
        "hap": "happiness",
        "neu": "neutral",
        "x": "",
        "y": "",
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["hap"], "expected word=emotion"),
        (["hap=hapy"], "found 'hapy', expected one of anger.*did you mean 'happiness'"),
        (["hap=happiness,neu=neutral"], "found 'happiness,neu=neutral', .*; one --map for each label"),
        (["hap=happiness", "hap=anger"], "'hap' is mapped to 'happiness' already"),
        (["none.csv"], "no such file"),
    ],
)
def test_mappings_that_are_refused(options, words):
    with pytest.raises(DataError, match=words):
        read_mapping(options)


def test_a_mapping_file_needs_its_two_columns(tmp_path):
    file = tmp_path / "map.csv"
    file.write_text("from,to\nneu,neutral\n")
    with pytest.raises(DataError, match="found the columns from, to, expected label and emotion"):
        read_mapping([str(file)])
