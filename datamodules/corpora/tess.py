"""TESS: 2800 clips of two actresses saying 200 words, English (Pichora-Fuller and Dupuis, 2020).

The published files have oddities: two are AIFF inside though named .wav, one has 96 kHz, folders differ in case, and
one file spells its speaker OA instead of OAF. Clips are therefore told by file name, and formats by content.
"""

from pathlib import Path

from datamodules.corpora import Corpus, Row, find_clips
from datamodules.labels import LABEL_SETS

EMOTIONS = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "ps": "surprise",
    "sad": "sadness",
}
SPEAKERS = ("OAF", "YAF")


def read_rows(root: Path) -> list[Row]:
    """Read rows of all clips under ``root``, whose names are such as OAF_back_ps: speaker, word, emotion."""
    clips = find_clips(
        root,
        rf"(?P<speaker>OAF?|YAF)_(?P<word>[a-z]+)_(?P<emotion>{'|'.join(EMOTIONS)})",
        "TESS: folders such as OAF_angry/ with files such as OAF_back_angry.wav",
    )
    table: list[Row] = []
    for path, name in clips:
        speaker = "YAF" if name["speaker"].upper() == "YAF" else "OAF"
        table.append(
            {
                "id": path.stem,
                "file": str(path),
                "corpus": "tess",
                "language": "en",
                "speaker": speaker,
                "gender": "female",
                "transcript": f"Say the word {name['word'].lower()}",
                "emotion": EMOTIONS[name["emotion"].lower()],
                "fold_speaker": SPEAKERS.index(speaker),
            }
        )
    return table


CORPUS = Corpus(
    name="tess",
    title="Toronto Emotional Speech Set (TESS)",
    license="CC BY-NC-ND 4.0",
    label_set=LABEL_SETS["seven"],
    rows=read_rows,
    counts=dict.fromkeys(EMOTIONS.values(), 400),
)
