import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from datamodules.audio.inspection import inspect_audio
from datamodules.corpora import corpus_names, find_corpus
from datamodules.errors import DataError
from datamodules.labels import EMOTIONS

ROOT = Path(__file__).parents[3]
REAL = ROOT.parent / "shared" / "corpora"


def real(name: str) -> Path:
    if not (REAL / name).is_dir():
        pytest.skip(f"no recordings of {name} in {REAL}")
    return REAL / name


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def by_id(rows):
    return {row["id"]: row for row in rows}


def test_emodb_is_complete():
    rows = find_corpus("emodb").rows(real("emodb"))
    assert len(rows) == 535
    assert Counter(row["emotion"] for row in rows) == find_corpus("emodb").counts
    assert find_corpus("emodb").counts["anger"] == 127
    assert len({row["speaker"] for row in rows}) == 10
    for fold in range(5):
        pair = {(row["speaker"], row["gender"]) for row in rows if row["fold_speaker"] == fold}
        assert sorted(gender for _, gender in pair) == ["female", "male"]
    clip = by_id(rows)["03a01Fa"]
    assert (clip["speaker"], clip["gender"], clip["emotion"]) == ("03", "male", "happiness")
    assert clip["transcript"] == "Der Lappen liegt auf dem Eisschrank."
    assert len({row["transcript"] for row in rows}) == 10


def test_tess_with_its_oddities():
    rows = by_id(find_corpus("tess").rows(real("tess")))
    assert len(rows) == 462
    assert set(Counter(row["emotion"] for row in rows.values()).values()) == {66}
    assert Counter(row["speaker"] for row in rows.values()) == {"OAF": 231, "YAF": 231}
    assert rows["OA_bite_neutral"]["speaker"] == "OAF"
    assert rows["OAF_back_ps"]["emotion"] == "surprise"
    assert rows["YAF_germ_angry"]["transcript"] == "Say the word germ"
    for name, rate in (("YAF_germ_angry", 24414), ("YAF_neat_fear", 24414), ("OAF_food_fear", 96000)):
        recording = inspect_audio(Path(str(rows[name]["file"])))
        assert recording.sample_rate == rate
        assert 1.0 < recording.duration < 4.0
    assert soundfile.info(rows["YAF_germ_angry"]["file"]).format == "AIFF"


def test_cremad_reads_its_demographics():
    rows = by_id(find_corpus("cremad").rows(real("cremad")))
    assert len(rows) == 12
    assert set(Counter(row["emotion"] for row in rows.values()).values()) == {2}
    assert rows["1001_DFA_ANG_XX"]["gender"] == "male"
    assert rows["1002_DFA_ANG_XX"]["gender"] == "female"
    assert rows["1001_DFA_ANG_XX"]["transcript"] == "Don't forget a jacket."


def test_cremad_names_and_folds(tmp_path):
    root = touch(
        tmp_path, "AudioWAV/1001_IEO_HAP_LO.wav", "AudioWAV/1040_ITH_SAD_X.wav", "AudioWAV/1091_WSI_DIS_XX.wav"
    )
    rows = find_corpus("cremad").rows(root)
    assert [row["intensity"] for row in rows] == ["low", "", ""]
    assert [row["fold_speaker"] for row in rows] == [0, 4, 0]
    assert [row["gender"] for row in rows] == ["", "", ""]


def test_cremad_published_counts_and_known_bad():
    assert sum(find_corpus("cremad").counts.values()) == 7442
    assert "1076_MTI_SAD_XX" in find_corpus("cremad").known_bad


def test_ravdess_whole(tmp_path, caplog):
    for actor in range(1, 25):
        folder = tmp_path / f"Actor_{actor:02d}"
        folder.mkdir()
        for emotion in range(1, 9):
            for intensity in (1, 2) if emotion > 1 else (1,):
                for sentence in (1, 2):
                    for repetition in (1, 2):
                        name = f"03-01-{emotion:02d}-{intensity:02d}-{sentence:02d}-{repetition:02d}-{actor:02d}.wav"
                        (folder / name).touch()
    touch(tmp_path, "Actor_01/03-02-01-01-01-01-01.wav", "Actor_01/._03-01-01-01-01-01-01.wav")
    rows = find_corpus("ravdess").rows(tmp_path)
    assert len(rows) == 1440
    assert Counter(row["emotion"] for row in rows) == find_corpus("ravdess").counts
    assert "1 wav files are left out" in caplog.text
    assert "03-02-01-01-01-01-01.wav" in caplog.text
    actors = {fold: {row["speaker"] for row in rows if row["fold_speaker"] == fold} for fold in range(6)}
    assert actors[0] == {"01", "11", "20", "21"}
    assert actors[5] == {"06", "13", "17", "22"}
    assert sum(map(len, actors.values())) == 24
    clip = by_id(rows)["03-01-06-02-02-01-12"]
    assert (clip["emotion"], clip["intensity"], clip["gender"]) == ("fear", "strong", "female")
    assert clip["transcript"] == "Dogs are sitting by the door"


PUBLISHED = [name for name in corpus_names() if find_corpus(name).rows is not None]


def test_every_corpus_describes_itself():
    for name in corpus_names():
        corpus = find_corpus(name)
        assert corpus.name == name
        merged = {corpus.label_set.label_of(emotion) for emotion in corpus.counts}
        assert not corpus.counts or set(corpus.label_set.labels) <= merged
    assert set(corpus_names()) - set(PUBLISHED) == {"demo"}


def test_names_are_listed_without_importing_any_corpus():
    code = "import sys, datamodules.corpora as c; c.corpus_names(); print(*[m for m in sys.modules if 'corpora.' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == ""


def test_an_unknown_corpus_is_refused_with_the_nearest_one():
    with pytest.raises(DataError, match=r"found the corpus 'emobd', expected one of .*; did you mean 'emodb'\?"):
        find_corpus("emobd")
    with pytest.raises(DataError, match="module json holds no corpus; expected CORPUS = "):
        find_corpus("json")


def test_a_package_that_a_corpus_of_ones_own_imports_is_not_blamed_on_the_corpus(tmp_path, monkeypatch):
    (tmp_path / "lab_corpus.py").write_text("import not_installed_anywhere\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="not_installed_anywhere"):
        find_corpus("lab_corpus")


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_wrong_folder_says_what_was_expected_and_found(tmp_path, name):
    with pytest.raises(DataError, match="no such folder; expected"):
        find_corpus(name).rows(tmp_path / "none")
    with pytest.raises(DataError, match="found 0 wav files, none so named, in a folder holding nothing"):
        find_corpus(name).rows(tmp_path)
    touch(tmp_path, "wav/other.wav", "readme.txt")
    with pytest.raises(DataError, match=r"files such as .*\.wav; found 1 wav files.*holding readme.txt, wav/"):
        find_corpus(name).rows(tmp_path)


def test_a_second_copy_is_refused(tmp_path):
    root = touch(tmp_path, "wav/03a01Fa.wav", "copy/wav/03a01Fa.wav")
    with pytest.raises(DataError, match="the same clip twice"):
        find_corpus("emodb").rows(root)


def test_endings_in_capitals_and_folders_of_any_case(tmp_path):
    rows = find_corpus("tess").rows(touch(tmp_path, "oaf_Sad/OAF_back_sad.WAV", "x/yaf_back_SAD.wav"))
    assert [row["speaker"] for row in rows] == ["OAF", "YAF"]
    assert {row["emotion"] for row in rows} == {"sadness"}


def test_published_counts_name_canonical_emotions():
    assert {emotion for corpus in map(find_corpus, corpus_names()) for emotion in corpus.counts} <= set(EMOTIONS)
    assert sum(find_corpus("tess").counts.values()) == 2800


def test_rows_do_not_open_audio(tmp_path):
    soundfile.write(tmp_path / "03a01Fa.wav", np.zeros(10), 16000)
    touch(tmp_path, "03a01Nc.wav")
    assert len(find_corpus("emodb").rows(tmp_path)) == 2
