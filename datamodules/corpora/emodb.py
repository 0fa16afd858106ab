"""Berlin EmoDB: 535 clips, 10 speakers, 10 sentences, German (Burkhardt et al., Interspeech 2005)."""

from pathlib import Path

from datamodules.corpora import Corpus, Row, find_clips
from datamodules.labels import LABEL_SETS

EMOTIONS = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "N": "neutral",
    "T": "sadness",
}
SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
# A man and a woman in each fold.
FOLDS = (("03", "08"), ("10", "09"), ("11", "13"), ("12", "14"), ("15", "16"))
MEN = ("03", "10", "11", "12", "15")


def read_rows(root: Path) -> list[Row]:
    """Read rows of all clips under ``root``, whose names are such as 03a01Fa: speaker, sentence, emotion, version."""
    speakers = "|".join(speaker for pair in FOLDS for speaker in pair)
    clips = find_clips(
        root,
        rf"(?P<speaker>{speakers})(?P<sentence>{'|'.join(SENTENCES)})(?P<emotion>[{''.join(EMOTIONS)}])[a-z]",
        "EmoDB: a folder wav/ with files such as 03a01Fa.wav",
    )
    return [
        {
            "id": path.stem,
            "file": str(path),
            "corpus": "emodb",
            "language": "de",
            "speaker": name["speaker"],
            "gender": "male" if name["speaker"] in MEN else "female",
            "transcript": SENTENCES[name["sentence"].lower()],
            "emotion": EMOTIONS[name["emotion"].upper()],
            "fold_speaker": next(fold for fold, pair in enumerate(FOLDS) if name["speaker"] in pair),
        }
        for path, name in clips
    ]


CORPUS = Corpus(
    name="emodb",
    title="Berlin Database of Emotional Speech (EmoDB)",
    license="free for research",
    label_set=LABEL_SETS["emodb7"],
    rows=read_rows,
    counts={
        "anger": 127,
        "boredom": 81,
        "disgust": 46,
        "fear": 69,
        "happiness": 71,
        "neutral": 79,
        "sadness": 62,
    },
)
