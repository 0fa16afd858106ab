"""RAVDESS, the speech part: 1440 clips of 24 actors saying two sentences, English (Livingstone and Russo, 2018)."""

from pathlib import Path

from datamodules.corpora import Corpus, Row, find_clips
from datamodules.labels import LABEL_SETS

EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
SENTENCES = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
INTENSITIES = {"01": "normal", "02": "strong"}
# The six groups of four actors of EmoBox (Ma et al., Interspeech 2024).
FOLDS = ((1, 11, 20, 21), (4, 10, 12, 14), (8, 9, 19, 23), (3, 5, 7, 24), (2, 15, 16, 18), (6, 13, 17, 22))


def read_rows(root: Path) -> list[Row]:
    """Read rows of all speech clips under ``root``, whose names are such as 03-01-06-01-02-01-12.

    The fields are: audio only (03), speech (01), emotion, intensity, sentence, repetition, actor. Actors with odd
    numbers are men. Songs (03-02) are left out.
    """
    clips = find_clips(
        root,
        r"03-01-(?P<emotion>0[1-8])-(?P<intensity>0[12])-(?P<sentence>0[12])-0[12]-(?P<actor>0[1-9]|1\d|2[0-4])",
        "RAVDESS: folders Actor_01/ to Actor_24/ with files such as 03-01-06-01-02-01-12.wav",
    )
    return [
        {
            "id": path.stem,
            "file": str(path),
            "corpus": "ravdess",
            "language": "en",
            "speaker": name["actor"],
            "gender": "male" if int(name["actor"]) % 2 else "female",
            "transcript": SENTENCES[name["sentence"]],
            "emotion": EMOTIONS[name["emotion"]],
            "intensity": INTENSITIES[name["intensity"]],
            "fold_speaker": next(fold for fold, actors in enumerate(FOLDS) if int(name["actor"]) in actors),
        }
        for path, name in clips
    ]


CORPUS = Corpus(
    name="ravdess",
    title="Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS), speech",
    license="CC BY-NC-SA 4.0",
    label_set=LABEL_SETS["eight"],
    rows=read_rows,
    counts=dict.fromkeys(EMOTIONS.values(), 192) | {"neutral": 96},
)
