import json
from pathlib import Path

import pandas as pd
import pytest

from datamodules.captions.caption_file import CaptionFile
from datamodules.errors import DataError

ROWS = pd.DataFrame({"id": ["b", "a"]})
CAPTIONS = {"a": "The person is calm.", "b": 'She said "no", {loudly}.', "unused": ""}


def file(folder: Path, ending: str, captions: dict[str, object] = CAPTIONS, names=("id", "caption")) -> Path:
    path = folder / f"captions.{ending}"
    table = pd.DataFrame(list(captions.items()), columns=list(names))
    if ending == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n\n" for row in table.to_dict("records")))
    elif ending == "parquet":
        table.to_parquet(path, index=False)
    else:
        table.to_csv(path, index=False)
    return path


def write(path: Path, rows: pd.DataFrame = ROWS, **settings) -> list[str]:
    return CaptionFile(path, **settings).write(rows, rows[:0])


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_captions_are_joined_by_id(tmp_path, ending):
    assert write(file(tmp_path, ending)) == [CAPTIONS["b"], CAPTIONS["a"]]
    renamed = file(tmp_path, ending, names=("clip", "text"))
    assert write(renamed, column="text", id_column="clip") == [CAPTIONS["b"], CAPTIONS["a"]]


def test_numbers_are_ids_too(tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_text('{"id": 7, "caption": "calm"}\n')
    assert write(path, pd.DataFrame({"id": ["7"]})) == ["calm"]


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_every_unusable_caption_is_counted(tmp_path, ending):
    captions = {"a": "", "b": "Level 5.", "c": None, "e": "The voice rises."}
    rows = pd.DataFrame({"id": ["a", "b", "c", "d", "e"]})
    with pytest.raises(DataError, match="4 of 5 captions cannot be used") as caught:
        write(file(tmp_path, ending, captions), rows, forbid_digits=True, prefix="")
    said = str(caught.value)
    assert "1 missing: d" in said
    line = 2 if ending == "parquet" else 3
    assert f"1 contains digits: {tmp_path}/captions.{ending}:{line} b (Level 5.)" in said
    assert "2 empty: " in said
    assert "caption.init_args.path" in said


def test_rules_are_settings(tmp_path):
    path = file(tmp_path, "csv", {"a": "calm and 3 words", "b": "calm"})
    assert write(path) == ["calm", "calm and 3 words"]
    for settings, kind in (
        ({"forbid_digits": True}, "1 contains digits"),
        ({"prefix": "calm and"}, "1 does not begin with 'calm and'"),
        ({"max_words": 3}, "1 longer than 3 words"),
    ):
        with pytest.raises(DataError, match=kind):
            write(path, **settings)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("c.csv", "id,text\na,x\n", r"c.csv: column 'caption' is missing; found id, text"),
        ("c.csv", "id,caption\na,x\nb,y\na,z\n", r"c.csv:4: the id 'a' stands in line 2 already"),
        ("c.txt", "id,caption\n", "found the ending '.txt'"),
        ("c.jsonl", '{"id": "a", "caption": "x"}\n{"id": "b"\n', "c.jsonl:2: not a JSON object"),
        ("c.jsonl", "[1]\n", "c.jsonl:1: found a list, expected"),
        ("c.jsonl", "\n\n", "c.jsonl: the file is empty"),
        ("c.jsonl", b'{"id": "a", "caption": "\xff"}\n', "c.jsonl:1: not a JSON object in UTF-8"),
    ],
)
def test_a_bad_file_is_named(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=says):
        CaptionFile(tmp_path / name)


@pytest.mark.parametrize("name", ["c.csv", "c.jsonl"])
def test_a_missing_file_is_named(tmp_path, name):
    with pytest.raises(DataError, match=f"{name}: no such file"):
        CaptionFile(tmp_path / name)
