import os
import string
import unicodedata
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datamodules.audio.inspection import inspect_audio
from datamodules.audio.reading import AudioFormat, AudioSegment, read_crop
from datamodules.errors import DataError
from datamodules.labels import EMOTIONS
from datamodules.manifest import parquet_table
from datamodules.manifest.columns import COLUMNS
from datamodules.manifest.reading import read_manifest, write_manifest


@pytest.fixture
def folder(tmp_path):
    for name in ("a.wav", "b.wav", "c.wav"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def refusal(path: Path, **options) -> str:
    with pytest.raises(DataError) as error:
        read_manifest(path, **options)
    assert error.value.exit_code == 3
    assert str(path) in str(error.value)
    return str(error.value)


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "manifest.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_types_defaults_and_lines(folder):
    path = write(folder, "path,emotion,valence,fold_speaker,mine\na.wav,anger,3.5,1,x\n\nb.wav,,,,\n")
    rows = read_manifest(path)
    assert list(rows.index) == [2, 4]
    assert list(rows["id"]) == ["a", "b"]
    assert list(rows["file"]) == [str(folder / "a.wav"), str(folder / "b.wav")]
    assert list(rows["emotion"]) == ["anger", ""]
    assert rows["valence"].tolist()[0] == 3.5
    assert rows["valence"].isna().tolist() == [False, True]
    assert rows["fold_speaker"].dtype == "float64"
    assert list(rows["mine"]) == ["x", ""]


def test_line_numbers_count_lines_within_quoted_cells(folder):
    path = write(folder, 'path,transcript,emotion\na.wav,"one\ntwo\nthree",anger\nb.wav,x,hapy\n')
    assert "manifest.csv:5 column 'emotion'" in refusal(path)


@pytest.mark.parametrize(
    ("header", "cells", "words"),
    [
        ("emotion", "hapy", ["column 'emotion': found 'hapy'", "expected one of anger", "did you mean 'happiness'?"]),
        ("emotion", "Happy ", ["found 'Happy '", "did you mean 'happiness'?"]),
        ("split", "tran", ["column 'split': found 'tran'", "train, dev, test", "did you mean 'train'?"]),
        ("valence", "0", ["column 'valence': found 0, expected 1 to 7"]),
        ("arousal", "8", ["column 'arousal': found 8, expected 1 to 7"]),
        ("dominance", "1e9", ["column 'dominance': found 1e+09, expected 1 to 7"]),
        ("valence", '"3,5"', ["found '3,5', expected a number or nothing", "write the decimal point as '.'"]),
        ("valence", "nan", ["found 'nan', expected a number"]),
        ("valence", "inf", ["found 'inf', expected a number"]),
        ("valence", "1_0", ["found '1_0', expected a number"]),
        ("start", "-0.5", ["column 'start': found -0.5, expected 0 or more"]),
        ("start,end", "2,2", ["column 'end': found 2, expected more than the row's start"]),
        ("end", "0", ["column 'end': found 0"]),
        ("duration", "0", ["column 'duration': found 0, expected more than 0"]),
        ("sample_rate", "-16000", ["column 'sample_rate': found -16000, expected more than 0"]),
        ("fold_x", "1.5", ["column 'fold_x': found 1.5, expected a whole number from 0"]),
        ("fold_x", "-1", ["column 'fold_x': found -1"]),
        ("sha256", "abc", ["column 'sha256': found 'abc', expected 64 hexadecimal digits"]),
    ],
)
def test_every_bad_cell_is_named_with_its_row(folder, header, cells, words):
    message = refusal(write(folder, f"path,{header}\nb.wav,{',' * header.count(',')}\na.wav,{cells}\n"))
    assert "1 problem\n" in message
    assert "manifest.csv:3 " in message
    assert all(word in message for word in words), message


def test_the_first_five_problems_and_the_count(folder):
    cells = "".join(f"a.wav,clip{number},hapy\n" for number in range(7))
    message = refusal(write(folder, f"path,id,emotion\n{cells}"))
    assert "7 problems" in message
    assert message.count("column 'emotion'") == 5
    assert "... and 2 more" in message
    assert message.index("manifest.csv:2 ") < message.index("manifest.csv:6 ")


def test_missing_files_are_counted_and_can_be_left_unchecked(folder):
    path = write(folder, "path\na.wav\nlost.wav\nno/such.wav\n")
    message = refusal(path)
    assert "2 problems" in message
    assert f"manifest.csv:3 column 'path': found 'lost.wav', but there is no file {folder / 'lost.wav'}" in message
    assert len(read_manifest(path, check_files=False)) == 3


def test_a_folder_is_not_a_recording(folder):
    (folder / "d.wav").mkdir()
    assert "there is no file" in refusal(write(folder, "path\nd.wav\n"))


def test_duplicate_ids_name_both_lines(folder):
    message = refusal(write(folder, "path,start,end\na.wav,0,1\na.wav,1,2\n"))
    assert "manifest.csv:3 column 'id': found 'a'" in message
    assert "line 2" in message
    rows = read_manifest(write(folder, "id,path,start,end\nx,a.wav,0,1\ny,a.wav,1,2\n"))
    assert list(rows["id"]) == ["x", "y"]


def test_default_ids_are_file_names_as_long_as_those_are_unique(folder):
    for name in ("angry/001.wav", "happy/001.wav", "happy/002.wav", "happy/002.flac", "sad/x.y.wav"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    paths = ["angry/001.wav", "./happy/001.wav", "happy/002.wav", "happy/002.flac", "sad/x.y.wav", "a.wav"]
    rows = read_manifest(write(folder, "path\n" + "\n".join(paths) + "\n"))
    assert list(rows["id"]) == ["angry/001", "happy/001", "happy/002.wav", "happy/002.flac", "x.y", "a"]
    message = refusal(write(folder, "path\na.wav\n./a.wav\n"))
    assert "found 'a', expected another name: line 2 has it already; fill the column 'id' with names of" in message


def test_default_ids_do_not_say_where_a_corpus_lies(folder):
    for name in ("angry/001.wav", "happy/001.wav", "happy/002.wav", "happy/002.flac"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    paths = [*(f"{folder}/{name}" for name in ("angry/001.wav", "happy/001.wav", "happy/002.wav", "happy/002.flac"))]
    rows = read_manifest(write(folder, "path\n" + "\n".join(paths) + "\n"))
    assert list(rows["id"]) == ["angry/001", "happy/001", "happy/002.wav", "happy/002.flac"]
    rows = read_manifest(write(folder, "path\n" + "\n".join([*paths[:2], "./happy/001.wav"]) + "\n"))
    assert list(rows["id"]) == ["angry/001", paths[1], "happy/001.wav"]


@pytest.mark.parametrize("name", ["a\tb", '"a\nb"', "a\x07"])
def test_control_characters_in_ids_are_refused(folder, name):
    message = refusal(write(folder, f"id,path\n{name},a.wav\n"))
    assert "manifest.csv:2 column 'id'" in message
    assert "control character" in message


def test_paths_are_the_users_own_and_nothing_of_a_foreign_file_is_shown(folder):
    """Data may lie anywhere; but only regular files are opened, only as audio, and nothing of them is shown."""
    secret = folder / "sub" / "secret.txt"
    secret.parent.mkdir()
    secret.write_text("root:x:0:0:secret")
    os.mkfifo(folder / "pipe.wav")
    for path in ("sub/../sub/secret.txt", str(secret)):
        file = read_manifest(write(folder, f"path\n{path}\n"))["file"].iloc[0]
        assert file == str(secret)
        with pytest.raises(DataError, match=f"{secret}: cannot be read as audio") as described:
            inspect_audio(file)
        with pytest.raises(DataError, match=f"{secret}: cannot be read as audio") as read:
            read_crop(AudioSegment(file), AudioFormat(16000))
        assert "root:x" not in str(described.value) + str(read.value)
    for path in ("/dev/zero", "/dev/stdin", "pipe.wav", "/proc/self/environ"):
        try:
            file = read_manifest(write(folder, f"path\n{path}\n"))["file"].iloc[0]
        except DataError as error:
            refused = str(error)
        else:
            assert path == "/proc/self/environ"
            with pytest.raises(DataError) as unread:
                inspect_audio(file)
            refused = str(unread.value)
        assert path.rpartition("/")[2] in refused
        assert os.environ["PATH"] not in refused


def test_backslashes_are_named_with_their_remedy(folder):
    (folder / "sub").mkdir()
    (folder / "sub" / "a.wav").write_bytes(b"")
    assert "write '/' instead of '\\'" in refusal(write(folder, "path\nsub\\a.wav\n"))


def test_composed_and_decomposed_accents_find_each_other(folder):
    on_disk, written = unicodedata.normalize("NFD", "müde.wav"), unicodedata.normalize("NFC", "müde.wav")
    (folder / on_disk).write_bytes(b"")
    rows = read_manifest(write(folder, f"path\n{written}\n"))
    assert Path(rows["file"].iloc[0]).is_file()


@pytest.mark.parametrize("path", ["a\tb.wav", "a\x01b.wav", '"a\nb.wav"'])
def test_control_characters_in_paths_are_refused(folder, path):
    message = refusal(write(folder, f"id,path\nx,{path}\n"))
    assert "manifest.csv:2 column 'path'" in message
    assert "control character" in message


@pytest.mark.parametrize("name", ["with space.wav", "-leading.wav", "=cmd().wav", "🙂.wav", 'quo"te.wav', "com,ma.wav"])
def test_odd_file_names_work(folder, name):
    (folder / name).write_bytes(b"")
    path = folder / "odd.csv"
    write_manifest([{"path": name, "transcript": 'say "so", then'}], path)
    rows = read_manifest(path)
    assert rows["file"].iloc[0] == str(folder / name)
    assert rows["transcript"].iloc[0] == 'say "so", then'


def test_parent_and_absolute_paths(folder):
    (folder / "sub").mkdir()
    path = folder / "sub" / "m.csv"
    path.write_text(f"path\n../a.wav\n{folder / 'b.wav'}\n")
    assert list(read_manifest(path)["file"]) == [str(folder / "a.wav"), str(folder / "b.wav")]


def test_bom_and_windows_line_ends(folder):
    rows = read_manifest(write(folder, b"\xef\xbb\xbfpath,emotion\r\na.wav,anger\r\n"))
    assert list(rows["emotion"]) == ["anger"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["the file is empty"]),
        (b"  \n\n", ["the file is empty"]),
        (b"path,emotion\n", ["header but no rows"]),
        ("path,emotion\na.wav,anger\n".encode("utf-16"), ["UTF-16", "CSV UTF-8"]),
        ("path,emotion\na.wav,anger\n".encode("utf-16-le"), ["UTF-16", "CSV UTF-8"]),
        ("path,transcript\na.wav,x\nb.wav,müde\n".encode("latin-1"), [":3:", "0xfc", "UTF-8"]),
        (b"path;emotion\na.wav;anger\n", ["separated by semicolons", "expected commas"]),
        (b"path\temotion\na.wav\tanger\n", ["separated by tabs"]),
        (b"path,emotion\na.wav,anger,more\n", [":2:", "found 3 cells, expected 2"]),
        (b"path,emotion\na.wav\n", [":2:", "found 1 cells, expected 2"]),
        (b'path,transcript\na.wav,"open\nb.wav,x\n', [":2:", "quote"]),
        (b"path,path\na.wav,b.wav\n", ["'path' stands twice"]),
        (b"path,\na.wav,\n", ["column 2 has no name"]),
        (
            b"filename,emotion\na.wav,anger\n",
            ["column 'path' is missing", "filename, emotion", "'filename' looks like it: rename it to 'path'"],
        ),
    ],
)
def test_files_that_are_no_manifest(folder, content, words):
    message = refusal(write(folder, content))
    assert all(word in message for word in words), message


def test_missing_file_and_unknown_ending(folder):
    assert "no such file" in refusal(folder / "none.csv")
    assert "expected .csv or .parquet" in refusal(folder / "m.xlsx")
    (folder / "m.parquet").write_bytes(b"no parquet")
    assert "not a readable Parquet file" in refusal(folder / "m.parquet")


def parquet(folder, **columns):
    pd.DataFrame({"path": ["a.wav", "b.wav"], **columns}).to_parquet(folder / "m.parquet")
    return refusal(folder / "m.parquet")


@pytest.mark.parametrize(
    ("cells", "kind"), [([b"\xff", b"x"], "binary"), ([[1], [2]], "list"), ([{"a": 1}, {"a": 2}], "struct")]
)
def test_parquet_cells_that_are_no_text(folder, cells, kind):
    message = parquet(folder, emotion=cells)
    assert f"column 'emotion' holds {kind}" in message
    assert "write them as text" in message


def test_parquet_text_that_is_not_utf8(folder):
    bad = pa.StringArray.from_buffers(
        2, pa.py_buffer(np.array([0, 1, 2], np.int32).tobytes()), pa.py_buffer(b"\xff\xfe")
    )
    pq.write_table(pa.table({"path": ["a.wav", "b.wav"], "speaker": bad}), folder / "m.parquet")
    assert "not a readable Parquet file" in refusal(folder / "m.parquet")


def test_parquet_as_duckdb_and_polars_write_it(folder):
    table = pa.table(
        {
            "path": pa.array(["a.wav", "b.wav"], pa.string_view()),
            "emotion": pa.array(["anger", None], pa.string_view()),
            "valence": pa.array([Decimal("1.50"), None], pa.decimal128(5, 2)),
        }
    )
    pq.write_table(table, folder / "m.parquet")
    rows = read_manifest(folder / "m.parquet")
    assert list(rows["id"]) == ["a", "b"]
    assert list(rows["emotion"]) == ["anger", ""]
    assert rows["valence"].fillna(-1.0).tolist() == [1.5, -1.0]


def test_parquet_that_is_small_and_decodes_to_very_much(folder, monkeypatch):
    long = pa.DictionaryArray.from_arrays(pa.array(np.zeros(100_000, np.int8)), ["x" * 100_000])
    pq.write_table(pa.table({"path": long}), folder / "m.parquet")
    assert (folder / "m.parquet").stat().st_size < 1_000_000
    assert "its texts have more than 4294967296 bytes" in refusal(folder / "m.parquet")
    pq.write_table(pa.table({"path": ["a.wav"], "transcript": ["x" * 200_000]}), folder / "m.parquet")
    assert "column 'transcript' has a cell of 200000 bytes" in refusal(folder / "m.parquet")
    monkeypatch.setattr(parquet_table, "MAX_BYTES", 1_000_000)
    numbers = np.zeros(100_000, np.int8)
    pq.write_table(pa.table({"path": numbers, "start": numbers}), folder / "m.parquet")
    assert "m.parquet: 100000 rows of 2 columns, more than" in refusal(folder / "m.parquet")


def test_an_index_of_pandas_is_no_column(folder):
    (pd.DataFrame({"path": ["b.wav", "a.wav"]}, index=["x", "y"])).to_parquet(folder / "m.parquet")
    rows = read_manifest(folder / "m.parquet")
    assert [name for name in rows if name not in ("id", "file")] == ["path"]
    assert list(rows["id"]) == ["b", "a"]


def test_tables_that_are_no_tables_of_clips_are_refused_at_once(folder):
    assert "found 200000 columns, expected 10000 at most" in refusal(write(folder, "x," * 199_999 + "x\n"))
    assert "found 1000001 columns" in refusal(write(folder, "x," * 1_000_000 + "x\n"))
    assert "manifest.csv:2: a cell has more than 131072 letters" in refusal(write(folder, "path\n" + "x" * 200_000))
    assert "manifest.csv:2: the line has 4194304 bytes" in refusal(write(folder, "path\n" + "x" * 5_000_000))
    assert "a cell has more than" in refusal(write(folder, 'path\n"' + "x\n" * 100_000))
    pd.DataFrame({f"c{place}": ["x"] for place in range(10_001)}).to_parquet(folder / "m.parquet")
    assert "found 10001 columns" in refusal(folder / "m.parquet")


def test_a_wide_table_is_read(folder):
    folds = [f"fold_{place}" for place in range(2000)]
    rows = read_manifest(write(folder, ",".join(["path", *folds]) + "\na.wav" + ",3" * 2000 + "\n"))
    assert (rows[folds] == 3.0).all(axis=None)
    assert list(rows)[:3] == ["path", "fold_0", "fold_1"]


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        *(("duration", "1e308"), ("start", "1e300"), ("end", "1e7"), ("fold_x", "1e300"), ("sample_rate", "1e30")),
        *(("sample_rate", "16000.5"), ("duration", "9" * 5000), ("sha256", "f" * 65), ("sha256", "٣" * 64)),
    ],
)
def test_hostile_cells_are_named(folder, column, cell):
    assert f"manifest.csv:2 column {column!r}: found" in refusal(write(folder, f"path,{column}\na.wav,{cell}\n"))


def test_parquet_rows_are_counted_from_one(folder):
    pd.DataFrame({"path": ["a.wav", "b.wav"], "emotion": ["anger", "hapy"], "valence": [3.0, None]}).to_parquet(
        folder / "m.parquet"
    )
    message = refusal(folder / "m.parquet")
    assert "1 problem\n" in message
    assert "m.parquet:2 column 'emotion'" in message


def test_parquet_empty_cells(folder):
    pd.DataFrame({"path": ["a.wav", "b.wav"], "emotion": ["anger", None], "valence": [3.0, None]}).to_parquet(
        folder / "m.parquet"
    )
    rows = read_manifest(folder / "m.parquet")
    assert list(rows["emotion"]) == ["anger", ""]
    assert rows["valence"].isna().tolist() == [False, True]


def test_columns_are_written_in_their_order_and_others_after(folder):
    write_manifest([{"zz": 1, "emotion": "anger", "fold_speaker": 0.0, "path": "a.wav", "id": "a"}], folder / "m.csv")
    assert (folder / "m.csv").read_text() == "id,path,emotion,zz,fold_speaker\na,a.wav,anger,1,0\n"


def test_paths_follow_a_manifest_into_another_folder(folder):
    rows = read_manifest(write(folder, f"path\na.wav\n{folder / 'b.wav'}\n"))
    write_manifest(rows, folder / "deep" / "er" / "m.csv")
    again = read_manifest(folder / "deep" / "er" / "m.csv")
    assert list(again["file"]) == list(rows["file"])
    assert list(again["path"]) == ["../../a.wav", str(folder / "b.wav")]


@pytest.mark.parametrize("text", ["a\rb", "a\r\nb", "a\nb", '"', ",", " a ", "\ufeff", "a\u2028b", "NA", "nan"])
def test_texts_that_tables_like_to_spoil(folder, text):
    write_manifest([{"path": "a.wav", "transcript": text}, {"path": "b.wav", "transcript": "x"}], folder / "m.csv")
    assert list(read_manifest(folder / "m.csv")["transcript"]) == [text, "x"]


def test_a_failed_write_leaves_the_old_file_and_no_trace(folder):
    path = folder / "m.csv"
    write_manifest([{"path": "a.wav"}], path)
    before = path.read_bytes(), sorted(os.listdir(folder))
    with pytest.raises(DataError, match="UTF-8"):
        write_manifest([{"path": "b\udcff.wav"}], path)
    with pytest.raises(DataError, match="no rows"):
        write_manifest([], path)
    assert (path.read_bytes(), sorted(os.listdir(folder))) == before


_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
_rating = st.none() | st.floats(1, 7)
_row = st.fixed_dictionaries(
    {
        "path": st.sampled_from(["a.wav", "b.wav", "c.wav"]),
        "transcript": _text,
        "speaker": _text,
        "emotion": st.sampled_from([*EMOTIONS, ""]),
        "split": st.sampled_from(["train", "dev", "test", ""]),
        "valence": _rating,
        "arousal": _rating,
        "sample_rate": st.integers(1, 192_000),
        "duration": st.floats(1e-3, 1e5),
        "fold_x": st.none() | st.integers(0, 20),
        "sha256": st.just("") | st.text(string.hexdigits.lower()[:16], min_size=64, max_size=64),
    }
)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(_row, min_size=1, max_size=6))
def test_what_is_written_is_read_back(folder, suffix, rows):
    numbered = [{"id": str(number), **row} for number, row in enumerate(rows)]
    path = folder / f"round{suffix}"
    write_manifest(numbered, path)
    read = read_manifest(path)
    expected = pd.DataFrame(numbered)
    for name in expected:
        numeric = name in ("valence", "arousal", "sample_rate", "duration", "fold_x")
        column = expected[name].astype("float64") if numeric else expected[name].astype("str")
        pd.testing.assert_series_equal(read[name].reset_index(drop=True), column, check_names=False)
    write_manifest(read, path)
    pd.testing.assert_frame_equal(read_manifest(path).reset_index(drop=True), read.reset_index(drop=True))


def test_every_column_is_described():
    assert set(COLUMNS) == {
        *(
            "id",
            "path",
            "start",
            "end",
            "duration",
            "sample_rate",
            "corpus",
            "language",
            "speaker",
            "gender",
            "session",
        ),
        *("split", "transcript", "emotion", "valence", "arousal", "dominance", "soundscape", "sha256", "oddity"),
    }
    assert all(COLUMNS.values())
