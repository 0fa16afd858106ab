"""IEMOCAP: 10,039 turns of ten actors in five dyadic sessions, English (Busso et al., 2008).

Listeners rated valence, arousal and dominance from 1 to 5; the manifest has them on its own scale of 1 to 7, by
1 + (rating - 1) * 6 / 4. What lies outside 1 to 5 is a slip, and is left empty.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from datamodules.corpora import Corpus, Row, find_clips
from datamodules.errors import DataError
from datamodules.labels import LABEL_SETS
from datamodules.manifest.columns import RATINGS

logger = logging.getLogger(__name__)

EMOTIONS = {
    "ang": "anger",
    "dis": "disgust",
    "exc": "excitement",
    "fea": "fear",
    "fru": "frustration",
    "hap": "happiness",
    "neu": "neutral",
    "oth": "other",
    "sad": "sadness",
    "sur": "surprise",
    "xxx": "",  # listeners did not agree
}
GENDERS = {"F": "female", "M": "male"}
LOWEST, HIGHEST = 1.0, 5.0

DIALOG = r"(?P<dialog>Ses(?P<session>0[1-5])[FM]_[a-z]+\d+[a-z]?(_\d+[a-z]?)?)"
TURN = rf"{DIALOG}_(?P<gender>[FM])\d+"
RATING = r"\d+(?:\.\d+)?"
RATED = re.compile(
    rf"\[\s*{RATING}\s*-\s*{RATING}\s*\]\s+(?P<turn>{TURN})\s+(?P<emotion>[a-z]+)\s+"
    rf"\[(?P<valence>{RATING}),\s*(?P<arousal>{RATING}),\s*(?P<dominance>{RATING})\]\s*"
)
TRANSCRIPT = re.compile(r"(?P<turn>Ses\w+)\s+\[[^\]]*\]:\s*(?P<text>.*)")
EXAMPLE = "[6.2901 - 8.2357] Ses01F_impro01_F000 neu [2.5000, 2.5000, 2.5000], with tabs"


def read_rows(root: Path) -> list[Row]:
    """Read rows of all turns that the evaluations list, whose names are such as Ses01F_impro01_F000: dialogue, speaker.

    A speaker is a session and a gender, such as Ses01F; the letter in the dialogue's name is whose face was filmed.
    `fold_session` leaves one session out, and with it both its speakers.

    Raises:
        DataError: If the folder, or a line of an evaluation, which is named, is not as published.
    """
    clips = find_clips(
        root,
        rf"{DIALOG}(_(?P<gender>[FM])\d+)?",
        "IEMOCAP: Session1/ to Session5/, in sentences/wav/Ses01F_impro01/ files such as Ses01F_impro01_F000.wav",
    )
    files = {path.stem: path for path, name in clips if name["gender"]}  # the others are whole dialogues
    if not files:
        raise DataError(f"{root}: found whole dialogues alone, expected the turns too, in Session1/sentences/wav/")
    table = [row for session in sorted({path.parents[3] for path in files.values()}) for row in _rows(session, files)]
    if unrated := len(files.keys() - {str(row["id"]) for row in table}):
        logger.warning("%s: %d wav files are left out, because no evaluation lists them", root, unrated)
    return table


def _rows(session: Path, files: Mapping[str, Path]) -> Iterator[Row]:
    folder = session / "dialog" / "EmoEvaluation"
    transcripts = _transcripts(session)
    evaluations = _texts(folder)
    if not evaluations:
        raise DataError(f"{folder}: found no evaluations, expected files such as Ses01F_impro01.txt")
    for evaluation in evaluations:
        for number, line in enumerate(_lines(evaluation), 1):
            if line.startswith("["):  # the others are the header and single listeners
                turn = _turn(line, f"{evaluation}:{number}")
                name = turn["turn"]
                missing = session / "sentences" / "wav" / turn["dialog"] / f"{name}.wav"  # where it should lie
                yield {"id": name, "file": str(files.get(name, missing)), "corpus": "iemocap", "language": "en"} | {
                    "speaker": f"Ses{turn['session']}{turn['gender']}",
                    "gender": GENDERS[turn["gender"]],
                    "session": f"Ses{turn['session']}",
                    "transcript": transcripts.get(name, ""),
                    "emotion": EMOTIONS[turn["emotion"]],
                    **{rating: _rescaled(turn[rating], f"{evaluation}:{number}") for rating in RATINGS},
                    "fold_session": int(turn["session"]) - 1,
                }


def _turn(line: str, location: str) -> re.Match[str]:
    match = RATED.fullmatch(line)
    if match is None:
        raise DataError(f"{location}: found {line!r}, expected a line such as {EXAMPLE}")
    if match["emotion"] not in EMOTIONS:
        raise DataError(f"{location}: found the emotion {match['emotion']!r}, expected one of {', '.join(EMOTIONS)}")
    return match


def _rescaled(cell: str, location: str) -> float | None:
    if not LOWEST <= float(cell) <= HIGHEST:
        logger.warning("%s: the rating %s is left out, because it is not from 1 to 5", location, cell)
        return None
    return round(1 + (float(cell) - LOWEST) * 6 / (HIGHEST - LOWEST), 4)


def _transcripts(session: Path) -> dict[str, str]:
    """Read the transcript of each turn, as far as the session's transcriptions are there."""
    transcripts: dict[str, str] = {}
    for file in _texts(session / "dialog" / "transcriptions"):
        for line in _lines(file):
            match = TRANSCRIPT.fullmatch(line)
            if match:
                transcripts[match["turn"]] = match["text"].strip()
    return transcripts


def _texts(folder: Path) -> list[Path]:
    # Names that begin with a dot are the traces of a Mac's archives; the release has some.
    return sorted(file for file in folder.glob("*.txt") if not file.name.startswith("."))


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8", errors="replace").splitlines()


CORPUS = Corpus(
    name="iemocap",
    title="Interactive Emotional Dyadic Motion Capture Database (IEMOCAP)",
    license="for research, by agreement with the University of Southern California",
    label_set=LABEL_SETS["iemocap4"],
    rows=read_rows,
    counts={
        "anger": 1103,
        "disgust": 2,
        "excitement": 1041,
        "fear": 40,
        "frustration": 1849,
        "happiness": 595,
        "neutral": 1708,
        "other": 3,
        "sadness": 1084,
        "surprise": 107,
    },
)
