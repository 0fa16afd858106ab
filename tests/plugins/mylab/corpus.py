"""A corpus: recordings named SPEAKER_EMOTION_TAKE.wav, such as ann_anger_2.wav."""

from pathlib import Path

from datamodules.corpora import Corpus, Row, find_clips
from datamodules.labels import LABEL_SETS

EMOTIONS = ("anger", "happiness", "neutral", "sadness")
SENTENCES = ("the dog barked", "it rained all day", "we left at noon")


def read_rows(root: Path) -> list[Row]:
    """List the recordings under a folder. A column that a manifest does not know, such as ``room``, is kept."""
    name = rf"(?P<speaker>[a-z]+)_(?P<emotion>{'|'.join(EMOTIONS)})_(?P<take>\d)"
    return [
        {
            "id": path.stem,
            "file": str(path),
            "corpus": "mylab",
            "language": "en",
            "speaker": found["speaker"],
            "emotion": found["emotion"],
            "transcript": SENTENCES[int(found["take"])],
            "room": "studio" if found["speaker"] < "d" else "office",
        }
        for path, found in find_clips(root, name, "recordings such as ann_anger_2.wav")
    ]


CORPUS = Corpus(
    name="mylab", title="Recordings of my lab", license="CC BY 4.0", label_set=LABEL_SETS["iemocap4"], rows=read_rows
)
