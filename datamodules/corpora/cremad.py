"""CREMA-D: 7442 clips of 91 actors saying 12 sentences, English (Cao et al., IEEE Trans. Affective Computing, 2014)."""

import csv
from pathlib import Path

from datamodules.corpora import Corpus, Row, find_clips
from datamodules.labels import LABEL_SETS

EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
SENTENCES = {
    "DFA": "Don't forget a jacket.",
    "IEO": "It's eleven o'clock.",
    "IOM": "I'm on my way to the meeting.",
    "ITH": "I think I have a doctor's appointment.",
    "ITS": "I think I've seen this before.",
    "IWL": "I would like a new alarm clock.",
    "IWW": "I wonder what this is about.",
    "MTI": "Maybe tomorrow it will be cold.",
    "TAI": "The airplane is almost full.",
    "TIE": "That is exactly what happened.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
INTENSITIES = {"LO": "low", "MD": "medium", "HI": "high", "X": "", "XX": ""}
FIRST_ACTOR, FOLDS = 1001, 5


def read_rows(root: Path) -> list[Row]:
    """Read rows of all clips under ``root``, with names such as 1001_DFA_ANG_XX: actor, sentence, emotion, intensity.

    ``intensity`` is low, medium or high, or empty where the actor was not asked for one. The gender is filled in where
    VideoDemographics.csv lies in the folder. Actors are dealt to five folds in turn.
    """
    clips = find_clips(
        root,
        rf"(?P<actor>1\d{{3}})_(?P<sentence>{'|'.join(SENTENCES)})_(?P<emotion>{'|'.join(EMOTIONS)})_"
        rf"(?P<intensity>{'|'.join(INTENSITIES)})",
        "CREMA-D: a folder AudioWAV/ with files such as 1001_DFA_ANG_XX.wav",
    )
    genders = _genders(Path(root))
    return [
        {
            "id": path.stem,
            "file": str(path),
            "corpus": "cremad",
            "language": "en",
            "speaker": name["actor"],
            "gender": genders.get(name["actor"], ""),
            "transcript": SENTENCES[name["sentence"].upper()],
            "emotion": EMOTIONS[name["emotion"].upper()],
            "intensity": INTENSITIES[name["intensity"].upper()],
            "fold_speaker": (int(name["actor"]) - FIRST_ACTOR) % FOLDS,
        }
        for path, name in clips
    ]


def _genders(root: Path) -> dict[str, str]:
    table = next(iter(sorted(root.rglob("VideoDemographics.csv"))), None)
    if table is None:
        return {}
    with table.open(encoding="utf-8-sig", newline="") as lines:
        return {row["ActorID"]: row["Sex"].lower() for row in csv.DictReader(lines)}


CORPUS = Corpus(
    name="cremad",
    title="Crowd-sourced Emotional Multimodal Actors Dataset (CREMA-D)",
    license="ODbL 1.0 (database), DbCL 1.0 (contents)",
    label_set=LABEL_SETS["six"],
    rows=read_rows,
    counts=dict.fromkeys(EMOTIONS.values(), 1271) | {"neutral": 1087},
    known_bad={
        "1064_IEO_DIS_MD": "a minute long, with all emotions of the sentence",
        "1064_TIE_SAD_XX": "no duration",
        "1076_MTI_NEU_XX": "no speech",
        "1076_MTI_SAD_XX": "no audio",
    },
    known_bad_version=1,
)
