import logging
from pathlib import Path

import pytest

from datamodules.corpora import find_corpus
from datamodules.errors import DataError
from datamodules.labels import LABEL_SETS
from datamodules.manifest.reading import check_manifest, write_manifest
from datamodules.manifest.tables import read_table, table_of

SAMPLE = Path(__file__).parents[3].parent / "shared" / "corpora" / "msp_podcast" / "labels_consensus.sample.csv"
HEADER = "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set"
LINES = (
    "MSP-PODCAST_0001_0008.wav,N,2.2,4.0,2.6,30,Male,Test1",
    "MSP-PODCAST_0001_0019.wav,X,3.5,1.0,7.0,39,Female,Train",
    "MSP-PODCAST_0002_0033_0001.wav,O,3,3,3,Unknown,Unknown,Development",
    "MSP-PODCAST_0003_0001.wav,C,4.5,2,5,41,Female,Test2",
    "MSP-PODCAST_0003_0002.wav,U,,,,41,Female,Test3",
)


def release(root: Path, *lines: str, labels: str = "Labels/labels_consensus.csv", header: str = HEADER) -> Path:
    """A folder laid out as a release, with an empty recording for each line."""
    (root / labels).parent.mkdir(parents=True, exist_ok=True)
    (root / labels).write_text("\n".join((header, *lines)) + "\n")
    (root / "Audios").mkdir(exist_ok=True)
    for line in lines:
        (root / "Audios" / line.split(",")[0]).touch()
    return root


def test_every_cell_becomes_the_manifests(tmp_path: Path) -> None:
    rows = find_corpus("msp_podcast").rows(release(tmp_path, *LINES))
    first, disagreed, other, second, third = rows
    assert first == {
        "id": "MSP-PODCAST_0001_0008",
        "file": str(tmp_path / "Audios" / "MSP-PODCAST_0001_0008.wav"),
        "corpus": "msp_podcast",
        "language": "en",
        "speaker": "30",
        "gender": "male",
        "session": "0001",
        "split": "test",
        "test_set": "Test1",
        "emotion": "neutral",
        "valence": 4.0,
        "arousal": 2.2,
        "dominance": 2.6,
    }
    assert (disagreed["emotion"], disagreed["valence"], disagreed["split"]) == ("", 1.0, "train")
    assert (other["emotion"], other["speaker"], other["gender"], other["split"]) == ("other", "", "", "dev")
    assert [row["split"] for row in (second, third)] == ["", ""]
    assert [row["test_set"] for row in rows] == ["Test1", "", "", "Test2", "Test3"]
    assert third["valence"] is None


def test_the_rows_are_a_sound_manifest(tmp_path: Path) -> None:
    write_manifest(table_of(find_corpus("msp_podcast").rows(release(tmp_path, *LINES))), tmp_path / "manifest.csv")
    rows = check_manifest(read_table(tmp_path / "manifest.csv"), tmp_path / "manifest.csv")
    assert rows["dominance"].isna().sum() == 1
    assert rows["speaker"].tolist() == ["30", "39", "", "41", "41"]


def test_its_classes_are_those_of_the_view() -> None:
    from datamodules.corpora.msp_podcast import EMOTIONS

    assert sorted(set(EMOTIONS.values()) - {"", "other"}) == sorted(LABEL_SETS["mead8"].labels)


@pytest.mark.parametrize(
    "labels", ["labels_consensus.csv", "Labels/labels_consensus.csv", "v1/Labels/labels_consensus.csv"]
)
def test_the_table_is_found_where_releases_have_it(tmp_path: Path, labels: str) -> None:
    assert len(find_corpus("msp_podcast").rows(release(tmp_path, *LINES, labels=labels))) == len(LINES)


def test_the_published_form(tmp_path: Path) -> None:
    if not SAMPLE.is_file():
        pytest.skip(f"there is no {SAMPLE}")
    header, *lines = SAMPLE.read_text().split()
    rows = find_corpus("msp_podcast").rows(release(tmp_path, *lines, header=header))
    assert {row["split"] for row in rows} == {"test"}
    assert [row["arousal"] for row in rows] == [2.2, 3.777778]


def test_no_table_or_two(tmp_path: Path) -> None:
    release(tmp_path / "one", *LINES)
    release(tmp_path / "two", "MSP-PODCAST_0009_0001.wav,N,4,4,4,1,Male,Train")
    with pytest.raises(DataError, match=r"expected one labels_consensus.csv, found .*one.* and .*two"):
        find_corpus("msp_podcast").rows(tmp_path)
    (tmp_path / "one" / "Labels" / "labels_consensus.csv").unlink()
    with pytest.raises(DataError, match=r"expected one labels_consensus.csv, found none"):
        find_corpus("msp_podcast").rows(tmp_path / "one")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("MSP-PODCAST_0001_0009.wav,Q,4,4,4,1,Male,Train", r"column 'EmoClass': found 'Q', expected one of A, C, D"),
        ("MSP-PODCAST_0001_0009.wav,N,8,4,4,1,Male,Train", r"column 'EmoAct': found '8', expected 1 to 7"),
        ("MSP-PODCAST_0001_0009.wav,N,4,nan,4,1,Male,Train", r"column 'EmoVal': found 'nan', expected 1 to 7"),
        ('MSP-PODCAST_0001_0009.wav,N,4,4,"3,5",1,Male,Train', r"column 'EmoDom': found '3,5', expected 1 to 7"),
        ("MSP-PODCAST_0001_0009.wav,N,4,4,4,1,Male,Test9", r"column 'Split_Set': found 'Test9', expected one of Train"),
        (
            "MSP-PODCAST_0001_0008.wav,N,4,4,4,1,Male,Train",
            r"'FileName': found 'MSP-PODCAST_0001_0008.wav', expected each file once",
        ),
        ("../../0009.wav,N,4,4,4,1,Male,Train", r"'FileName': found '../../0009.wav', expected such as MSP"),
    ],
)
def test_a_cell_that_is_not_as_published_is_named_with_its_line(tmp_path: Path, line: str, complaint: str) -> None:
    with pytest.raises(
        DataError, match=rf"labels_consensus.csv: 1 cells are .*\n  labels_consensus.csv:3 .*{complaint}"
    ):
        find_corpus("msp_podcast").rows(release(tmp_path, LINES[0], line))


def test_another_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"labels_consensus.csv:1 column 'SpkrID' is missing; expected the columns File"
    ):
        find_corpus("msp_podcast").rows(release(tmp_path, *LINES, header=HEADER.replace("SpkrID", "Speaker")))


def test_recordings_and_table_need_not_agree(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    release(tmp_path, *LINES)
    (tmp_path / "Audios" / "MSP-PODCAST_0001_0008.wav").rename(tmp_path / "Audios" / "MSP-PODCAST_0099_0001.wav")
    with caplog.at_level(logging.WARNING):
        rows = find_corpus("msp_podcast").rows(tmp_path)
    assert "1 wav files are left out, because labels_consensus.csv does not list them" in caplog.text
    missing = Path(str(rows[0]["file"]))
    assert missing == tmp_path / "Audios" / "MSP-PODCAST_0001_0008.wav"
    assert not missing.exists()
