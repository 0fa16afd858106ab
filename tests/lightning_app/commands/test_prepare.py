import hashlib
import json
import subprocess
import sys
from pathlib import Path

import jsonargparse
import numpy as np
import pytest
import soundfile

from datamodules.corpora import corpus_names, find_corpus
from datamodules.corpora.demo import corpus as demo_corpus
from datamodules.errors import DataError
from datamodules.manifest import contents
from datamodules.manifest.contents import Contents
from datamodules.manifest.reading import read_manifest
from lightning_app.cli import main
from lightning_app.commands import prepare, prepare_demo
from lightning_app.errors import ConfigError

CHECKOUT = Path(__file__).parents[3]
REAL = CHECKOUT.parent / "shared" / "corpora"


def run(*words) -> int:
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    prepare.add_arguments(parser)
    return prepare.run(parser.parse_args([str(word) for word in words]))


def record(*paths: Path, seconds: float = 0.5, rate: int = 16000) -> None:
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.full(int(seconds * rate), 0.01 * (number + 1)), rate)


@pytest.fixture
def emodb(tmp_path):
    root = tmp_path / "emodb"
    record(*(root / "wav" / f"{name}.wav" for name in ("03a01Fa", "03a01Nc", "08b10Wa")))
    return root


@pytest.fixture
def mine(tmp_path):
    record(*(tmp_path / "mine" / f"{name}.wav" for name in "abcdefghijkl"))
    path = tmp_path / "mine" / "table.csv"
    path.write_text(
        "path,emotion,speaker\n"
        + "".join(f"{name}.wav,hap,s{place % 3}\n" for place, name in enumerate("abcdefghijkl"))
    )
    return path


def test_a_corpus_becomes_a_manifest(emodb, tmp_path, capsys):
    out = tmp_path / "data" / "manifest.csv"
    assert run("emodb", emodb, "--out", out) == 0
    said = capsys.readouterr()
    assert said.out == f"{out}\n"
    rows = read_manifest(out)
    assert list(rows["path"]) == [f"../emodb/wav/{name}.wav" for name in ("03a01Fa", "03a01Nc", "08b10Wa")]
    assert list(rows["emotion"]) == ["happiness", "neutral", "anger"]
    assert set(rows["duration"]) == {0.5}
    assert set(rows["sample_rate"]) == {16000}
    assert set(rows["sha256"].str.len()) == {64}
    assert rows["fold_speaker"].tolist() == [0, 0, 0]
    for words in ("3 clips", "2 (1 male, 1 female)", "16000 Hz 3", "free for research", "anger 1 instead of 127"):
        assert words in said.err


def test_what_prepare_has_hashed_is_not_read_for_that_again(emodb, tmp_path, monkeypatch):
    monkeypatch.setenv("EMOCLAP_CACHE", str(tmp_path / "cache"))
    assert run("emodb", emodb, "--out", tmp_path / "m.csv") == 0
    monkeypatch.setattr(contents, "sha256", lambda path: pytest.fail(f"read {path}"))
    rows = read_manifest(tmp_path / "m.csv")
    assert Contents(tmp_path / "cache").changed(dict(zip(rows["file"], rows["sha256"], strict=True))) == {}


def test_no_hash_leaves_the_hash_out(emodb, tmp_path):
    assert run("emodb", emodb, "--out", tmp_path / "m.csv", "--no-hash") == 0
    assert "sha256" not in read_manifest(tmp_path / "m.csv")


def test_bad_recordings_stop_or_are_listed(emodb, tmp_path, capsys):
    (emodb / "wav" / "03a01Wa.wav").write_text("version https://git-lfs.github.com/spec/v1")
    record(emodb / "wav" / "03a02Wa.wav", seconds=0)
    out = tmp_path / "m.csv"
    with pytest.raises(DataError) as error:
        run("emodb", emodb, "--out", out)
    assert "2 bad recordings" in str(error.value)
    assert "run git lfs pull" in str(error.value)
    assert "03a02Wa.wav: empty audio" in str(error.value)
    assert not out.exists()
    assert run("emodb", emodb, "--out", out, "--on_bad_audio", "skip") == 5
    assert "left out, 2 bad recordings" in capsys.readouterr().err
    assert list(read_manifest(out)["id"]) == ["03a01Fa", "03a01Nc", "08b10Wa"]


def test_what_cannot_be_decoded_is_refused_and_what_is_odd_is_counted(emodb, tmp_path, capfd):
    noise = 0.3 * np.random.default_rng(0).uniform(-1, 1, 16000)
    wav, out = emodb / "wav", tmp_path / "m.csv"
    soundfile.write(wav / "03a01Wa.wav", np.zeros(16000), 16000)
    soundfile.write(wav / "03a02Wa.wav", noise, 16000)
    assert run("emodb", emodb, "--out", out) == 0
    said = capfd.readouterr().err
    assert "odd, and kept: 3 constant (a constant value, no sound)" in said
    assert "odd, and kept: 1 silent (nothing but digital silence)" in said
    rows = read_manifest(out).set_index("id")["oddity"].to_dict()
    assert rows == {"03a01Fa": "constant", "03a01Nc": "constant", "03a01Wa": "silent", "03a02Wa": ""} | {
        "08b10Wa": "constant"
    }
    soundfile.write(wav / "03a04Wa.wav", noise, 16000, format="MP3")
    data = (wav / "03a04Wa.wav").read_bytes()
    (wav / "03a04Wa.wav").write_bytes(data[: len(data) // 2])
    soundfile.write(wav / "03a05Wa.wav", np.append(noise, np.nan), 16000, subtype="FLOAT")
    with pytest.raises(DataError) as error:
        run("emodb", emodb, "--out", out)
    assert "2 bad recordings" in str(error.value)
    assert "03a04Wa.wav: truncated or damaged" in str(error.value)
    assert "03a05Wa.wav: holds samples that are NaN" in str(error.value)
    assert "mpg123" not in capfd.readouterr().err


def test_nothing_but_bad_recordings_is_an_error(tmp_path):
    (tmp_path / "03a01Fa.wav").touch()
    with pytest.raises(DataError, match="none of the 1 recordings is good"):
        run("emodb", tmp_path, "--out", tmp_path / "m.csv", "--on_bad_audio", "skip")


def test_clips_known_to_be_bad(tmp_path, capsys):
    record(*(tmp_path / "AudioWAV" / f"{name}.wav" for name in ("1076_MTI_SAD_XX", "1076_MTI_ANG_XX")))
    out = tmp_path / "m.csv"
    assert run("cremad", tmp_path, "--out", out) == 0
    assert list(read_manifest(out)["id"]) == ["1076_MTI_ANG_XX"]
    assert "known to be unusable (list 1): 1076_MTI_SAD_XX (no audio)" in capsys.readouterr().err
    assert run("cremad", tmp_path, "--out", out, "--known_bad", "keep") == 0
    assert len(read_manifest(out)) == 2


@pytest.mark.parametrize("name", [name for name in corpus_names() if find_corpus(name).known_bad])
def test_a_list_of_bad_clips_keeps_its_version_as_long_as_it_stays(name):
    """Whoever changes a list raises its version, and then this digest."""
    corpus = find_corpus(name)
    text = f"{corpus.known_bad_version} {sorted(corpus.known_bad)}"
    assert hashlib.sha256(text.encode()).hexdigest()[:8] == {"cremad": "f9942e28"}[name]


def test_nothing_but_clips_known_to_be_bad(tmp_path):
    record(tmp_path / "1076_MTI_SAD_XX.wav")
    with pytest.raises(DataError, match="every clip is known to be unusable; --known_bad keep"):
        run("cremad", tmp_path, "--out", tmp_path / "m.csv")


def test_ravdess(tmp_path):
    names = [f"03-01-{emotion:02d}-01-01-01-{actor:02d}" for emotion in range(1, 9) for actor in (1, 4)]
    record(*(tmp_path / f"Actor_{name[-2:]}" / f"{name}.wav" for name in names), rate=48000)
    assert run("ravdess", tmp_path, "--out", tmp_path / "m.parquet") == 0
    rows = read_manifest(tmp_path / "m.parquet")
    assert len(rows) == 16
    assert set(rows["fold_speaker"]) == {0, 1}
    assert sorted(rows["fold_random10"].unique()) == list(range(10))


@pytest.mark.parametrize("name", ["emodb", "tess", "cremad"])
def test_real_corpora(name, tmp_path, capsys):
    if not (REAL / name).is_dir():
        pytest.skip(f"no recordings of {name} in {REAL}")
    assert run(name, REAL / name, "--out", tmp_path / "m.csv", "--no-hash") == 0
    rows = read_manifest(tmp_path / "m.csv")
    assert rows["duration"].between(0.5, 10).all()
    assert ("differs from the published" in capsys.readouterr().err) == (
        len(rows) < sum(find_corpus(name).counts.values())
    )


def test_an_own_table(mine, tmp_path, capsys):
    out = tmp_path / "out" / "manifest.csv"
    with pytest.raises(DataError, match="--map hap=happiness"):
        run("table", mine, "--out", out)
    assert run("table", mine, "--out", out, "--map", "hap=happiness") == 0
    rows = read_manifest(out)
    assert list(rows["id"]) == list("abcdefghijkl")
    assert rows["path"].iloc[0] == "../mine/a.wav"
    assert set(rows["emotion"]) == {"happiness"}
    assert rows.groupby("speaker")["fold_speaker"].nunique().tolist() == [1, 1, 1]
    assert set(rows["fold_speaker"]) == {0, 1, 2}
    assert "speakers: 3" in capsys.readouterr().err


def test_an_own_table_with_paths_alone(mine, tmp_path, capsys):
    mine.write_text("path\na.wav\nb.wav\n")
    assert run("table", mine, "--out", tmp_path / "m.csv") == 0
    rows = read_manifest(tmp_path / "m.csv")
    assert not [name for name in rows if name.startswith("fold_")]
    said = capsys.readouterr().err
    assert "speakers: not given" in said
    assert "not labelled 2" in said


def test_an_own_table_keeps_what_it_brings(mine, tmp_path):
    mine.write_text("path,speaker,fold_speaker,mine\na.wav,x,1,q\nb.wav,,0,r\n")
    assert run("table", mine, "--out", tmp_path / "m.csv") == 0
    rows = read_manifest(tmp_path / "m.csv")
    assert rows["fold_speaker"].tolist() == [1, 0]
    assert list(rows["mine"]) == ["q", "r"]


def test_one_known_speaker_makes_no_folds(mine, tmp_path):
    mine.write_text("path,speaker\na.wav,x\nb.wav,\n")
    assert run("table", mine, "--out", tmp_path / "m.csv") == 0
    assert "fold_speaker" not in read_manifest(tmp_path / "m.csv")


def test_a_table_that_contradicts_its_files(mine, tmp_path):
    mine.write_text("path,sample_rate\na.wav,44100\nb.wav,16000\n")
    with pytest.raises(DataError, match=r"a\.wav: the table says sample_rate 44100, the file has 16000 Hz"):
        run("table", mine, "--out", tmp_path / "m.csv")
    assert run("table", mine, "--out", tmp_path / "m.csv", "--on_bad_audio", "skip") == 5


def test_a_table_with_missing_files(mine, tmp_path):
    mine.write_text("path\na.wav\nlost.wav\n")
    with pytest.raises(DataError, match=r"table\.csv:3 column 'path': found 'lost\.wav'"):
        run("table", mine, "--out", tmp_path / "m.csv")
    assert run("table", mine, "--out", tmp_path / "m.csv", "--on_bad_audio", "skip") == 5
    assert list(read_manifest(tmp_path / "m.csv")["id"]) == ["a"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["emodb", "--out", "m.csv"], "prepare emodb needs the corpus's folder"),
        (["table", "--out", "m.csv"], "prepare table needs your table"),
        (["demo", "folder", "--out", "m.csv"], "prepare demo takes no folder"),
        (["emodb", "folder", "--out", "m.xlsx"], "expected .csv or .parquet"),
        (["emodb", "folder", "--out", "m.csv", "--map", "a=anger"], "--map translates the labels of a table"),
        (["table", "m.csv", "--out", "./m.csv"], "that is the table itself"),
        (["demo", "--out", "m.csv", "--clips", "0"], "expected 1 or more"),
    ],
)
def test_arguments_that_do_not_go_together(words, reason):
    with pytest.raises(ConfigError, match=reason) as error:
        run(*words)
    assert error.value.exit_code == 2


@pytest.fixture
def demo(monkeypatch):
    """Instead of the synthesiser: tones. Returns the calls."""
    calls = []

    def make(root, clips, seed, workers, progress):
        calls.append((clips, seed))
        record(*(root / "wav" / f"{place}.wav" for place in range(clips)))
        progress(clips, clips)
        return [
            {"id": str(place), "path": f"wav/{place}.wav", "duration": 0.5, "sample_rate": 16000, "split": "train"}
            for place in range(clips)
        ]

    monkeypatch.setattr(prepare_demo, "make_demo", make)
    return calls


def test_the_demo_is_made_once(demo, tmp_path, capsys):
    out = tmp_path / "demo" / "manifest.csv"
    assert run("demo", "--out", out, "--clips", 3) == 0
    before = out.stat().st_mtime_ns
    assert run("demo", "--out", out, "--clips", 3) == 0
    assert demo == [(3, 1)]
    assert out.stat().st_mtime_ns == before
    said = capsys.readouterr()
    assert said.out == f"{out}\n" * 2
    assert "not made again" in said.err


def test_the_demo_is_made_again_when_something_changed(demo, tmp_path, monkeypatch):
    out = tmp_path / "manifest.csv"
    run("demo", "--out", out, "--clips", 3)
    run("demo", "--out", out, "--clips", 4)
    run("demo", "--out", out, "--clips", 4, "--seed", 2)
    (tmp_path / "wav" / "0.wav").unlink()
    run("demo", "--out", out, "--clips", 4, "--seed", 2)
    monkeypatch.setattr(prepare_demo, "_recipe", lambda: "another")
    run("demo", "--out", out, "--clips", 4, "--seed", 2)
    assert demo == [(3, 1), (4, 1), (4, 2), (4, 2), (4, 2)]


def test_an_interrupted_demo_is_made_again(demo, tmp_path, monkeypatch):
    out = tmp_path / "manifest.csv"
    run("demo", "--out", out, "--clips", 3)
    settings = json.loads((tmp_path / "demo.json").read_text())
    (tmp_path / "demo.json").write_text(json.dumps(settings | {"finished": False}))
    run("demo", "--out", out, "--clips", 3)
    (tmp_path / "demo.json").write_text("[1]")
    with pytest.raises(DataError, match="is not a demo corpus"):
        run("demo", "--out", out, "--clips", 3)
    assert len(demo) == 2


def test_the_demo_does_not_replace_another_manifest(demo, emodb, tmp_path):
    run("emodb", emodb, "--out", tmp_path / "manifest.csv")
    with pytest.raises(DataError, match="is not a demo corpus"):
        run("demo", "--out", tmp_path / "manifest.csv")
    assert demo == []


def test_the_real_demo_fits_the_manifest(tmp_path):
    pytest.importorskip("parselmouth", reason="the extra `demo` is not installed")
    assert prepare_demo.make_demo is demo_corpus.make_demo
    out = tmp_path / "manifest.csv"
    assert run("demo", "--out", out, "--clips", 12, "--workers", 1) == 0
    rows = read_manifest(out)
    assert len(rows) == 12
    assert rows["valence"].between(1, 7).all()


LAB = """\
from pathlib import Path

from datamodules.corpora import Corpus, Row, find_clips
from datamodules.labels import LabelSet


def read_rows(root: Path) -> list[Row]:
    clips = find_clips(root, r"(?P<speaker>s\\d)_(?P<emotion>calm|anger)", "files such as s1_calm.wav")
    return [
        {"id": path.stem, "file": str(path), "corpus": "lab", "speaker": name["speaker"], "emotion": name["emotion"]}
        for path, name in clips
    ]


CORPUS = Corpus(
    name="lab",
    title="The lab's own",
    license="ours",
    label_set=LabelSet("lab2", ("anger", "calm"), {"excitement": "anger"}),
    rows=read_rows,
)
"""


def test_a_corpus_of_ones_own_is_named_by_its_module(tmp_path, capsys):
    (tmp_path / "otherlab").mkdir()
    (tmp_path / "otherlab" / "mycorpus.py").write_text(LAB)
    record(*(tmp_path / "wav" / f"{name}.wav" for name in ("s1_calm", "s1_anger", "s2_calm")))
    out = tmp_path / "data" / "manifest.csv"
    words = ["prepare", "otherlab.mycorpus", str(tmp_path / "wav"), "--out", str(out)]
    assert main([*words, "--plugins", str(tmp_path)]) == 0
    assert list(read_manifest(out)["emotion"]) == ["anger", "calm", "calm"]
    said = capsys.readouterr().err
    assert "The lab's own: 3 clips" in said
    assert "label set: {name: lab2, labels: [anger, calm], merge: {excitement: anger}}" in said
    sys.modules.pop("otherlab.mycorpus")


def test_an_unknown_corpus_is_a_mistake_on_the_command_line(tmp_path, capsys):
    assert main(["prepare", "emobd", str(tmp_path), "--out", str(tmp_path / "m.csv")]) == 2
    assert "did you mean 'emodb'?" in capsys.readouterr().err


def test_help_needs_no_heavy_import():
    code = (
        "import sys, jsonargparse\n"
        "from lightning_app.commands import prepare\n"
        "prepare.add_arguments(jsonargparse.ArgumentParser())\n"
        "heavy = {'torch', 'lightning', 'pandas', 'numpy', 'soundfile', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
