"""`lightning-cli caption`: the table of captions as users get it."""

import json
from pathlib import Path

import pandas as pd
import pytest

from lightning_app.commands.caption import as_options

STAGE = ("--config", "stages/clep.yaml")
LAYER = """\
data:
  class_path: datamodules.clips.data.ClipData
  init_args: {manifest: MANIFEST, labels: iemocap4, split: {disjoint: [speaker]}, texts: {caption: CAPTION}}
"""


@pytest.fixture
def layer(corpus: Path, tmp_path: Path):
    """Lays the tests' corpus over a stage, with a source of captions."""

    def write(caption: str) -> tuple[str, ...]:
        path = tmp_path / "layer.yaml"
        path.write_text(LAYER.replace("MANIFEST", str(corpus)).replace("CAPTION", caption))
        return (*STAGE, "--config", str(path))

    return write


def test_the_first_ten_are_printed(command, layer, capsys):
    assert command("caption", *layer("'A {emotion} voice'")) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0] == "id,split,label,caption"
    assert lines[1] == "ann_anger_0,train,anger,A angry voice"
    assert len(lines) == 11
    assert said.err.splitlines()[-1] == "10 of 72 rows; --out captions.csv writes them all"


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_that_was_written_is_read_again(command, layer, tmp_path, capsys, ending):
    out = tmp_path / "made" / f"captions.{ending}"
    lexicon = layer("{class_path: datamodules.captions.LexiconCaptions, init_args: {seed: 5}}")
    assert command("caption", *lexicon, "--out", out) == 0
    assert capsys.readouterr().out == f"{out}\n"
    table = pd.read_csv(out) if ending == "csv" else pd.read_parquet(out)
    assert list(table) == ["id", "split", "label", "caption"]
    assert len(table) == 72
    assert table["caption"].nunique() > 30
    again = tmp_path / "again.csv"
    source = layer(f"{{class_path: datamodules.captions.CaptionFile, init_args: {{path: {out}}}}}")
    assert command("caption", *source, "--out", again) == 0
    assert list(pd.read_csv(again)["caption"]) == list(table["caption"])


def test_an_option_wins_over_the_file(command, layer, capsys):
    words = layer("'A {emotion} voice'")
    assert command("caption", *words, "--data.texts.caption", "{noun} speech", "--data.labels=[anger,sadness]") == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[1] == "ann_anger_0,train,anger,anger speech"
    assert "10 of 36 rows" in said.err


def test_a_class_in_anothers_place_is_read_as_fit_reads_it(command, layer, corpus, tmp_path, capsys):
    table, own = tmp_path / "captions.csv", tmp_path / "own.yaml"
    rows = pd.read_csv(corpus)
    pd.DataFrame({"id": rows["id"], "caption": "Said aloud"}).to_csv(table, index=False)
    source = f"{{class_path: datamodules.captions.CaptionFile, init_args: {{path: {table}}}}}"
    own.write_text(f"data: {{init_args: {{texts: {{caption: {source}}}}}}}\n")
    words = [*layer("{class_path: datamodules.captions.LexiconCaptions, init_args: {seed: 5}}"), "--config", own]
    assert command("caption", *words) == 0
    assert capsys.readouterr().out.splitlines()[1] == "ann_anger_0,train,anger,Said aloud"
    with pytest.raises(SystemExit) as ended:
        command("fit", *words, "--print_config")
    assert ended.value.code == 0


def test_a_class_of_ones_own_is_trusted_where_an_option_names_it(command, layer, tmp_path, monkeypatch, capsys):
    module = f"sayings_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{module}.py").write_text(
        "from datamodules.captions import CaptionFile\nclass Sayings(CaptionFile): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    words = layer("{class_path: datamodules.captions.LexiconCaptions}")
    assert (
        command(
            "caption",
            *words,
            f"--data.texts.caption={module}.Sayings",
            f"--data.texts.caption.path={tmp_path}/none.csv",
        )
        == 3
    )
    assert "none.csv" in capsys.readouterr().err


def test_bounds_are_written_beside(command, layer, tmp_path, monkeypatch, capsys):
    from datamodules.clips.data import ClipData

    monkeypatch.setattr(ClipData, "caption_bins", lambda self: {"pitch": (1.5, 2.5)})
    out = tmp_path / "captions.csv"
    assert command("caption", *layer("'{emotion}'"), "--out", out) == 0
    assert json.loads((tmp_path / "captions.bins.json").read_text()) == {"pitch": [1.5, 2.5]}
    assert capsys.readouterr().out.splitlines() == [str(out), str(tmp_path / "captions.bins.json")]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--out", "captions.txt"], 2, "--out captions.txt: found the ending '.txt', expected .csv or .parquet"),
        (["--data.caption=x"], 2, "data: there is no option 'caption'; did you mean 'data.texts.caption'?"),
        (["--data.labels=seven7"], 3, "did you mean 'seven'?"),
        (["--data.texts.caption={emo}"], 3, "data.texts.caption: '{emo}' names {emo}"),
        (["--config", "stages/none.yaml"], 2, "stages/none.yaml: no such file"),
    ],
)
def test_a_mistake_is_one_message(command, layer, capsys, words, code, says):
    assert command("caption", *layer("'{emotion}'"), *words) == code
    said = capsys.readouterr().err
    assert said.startswith("lightning-cli caption: error: ")
    assert says in said
    assert said.count("\n") == 1


def test_classes_come_from_the_checkpoint_where_nobody_names_them(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command("caption", "--config", "stages/acpt.yaml") == 4
    assert "runs/clep/best.ckpt is not there" in capsys.readouterr().err
    assert command("caption", "--config", "stages/acpt.yaml", "--data.labels=six") == 2
    assert "data.class_path: TextData reads no clips" in capsys.readouterr().err


def test_ratings_become_sentences_and_missing_ones_are_named(command, layer, corpus, tmp_path, capsys):
    rows = pd.read_csv(corpus).assign(valence=6.5, arousal=1.5)
    rows["path"] = [str(corpus.parent / path) for path in rows["path"]]
    whole, holed = tmp_path / "whole.csv", tmp_path / "holed.csv"
    rows.to_csv(whole, index=False)
    rows.assign(valence=rows["valence"].where(rows["id"] != "ann_anger_1")).to_csv(holed, index=False)
    words = layer("{class_path: datamodules.captions.ValenceArousalCaptions}")
    assert command("caption", *words, f"--data.manifest={whole}") == 0
    assert capsys.readouterr().out.count("The person is speaking") == 10
    assert command("caption", *words, f"--data.manifest={holed}") == 3
    assert "'valence': 1 of 72 clips are not rated from 1 to 7" in capsys.readouterr().err


def test_dotted_options_and_set_are_the_same():
    words = ["--config", "a.yaml", "--data.x", "1", "--data.y=2", "--out", "b.csv", "--seed_everything", "3"]
    assert as_options(words) == [
        "--config", "a.yaml", "--set=data.x=1", "--set=data.y=2", "--out", "b.csv", "--set=seed_everything=3",
    ]  # fmt: skip
    assert as_options(["--set", "data.x=1"]) == ["--set", "data.x=1"]
