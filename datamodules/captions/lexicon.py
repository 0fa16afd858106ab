"""Captions of emotions with the words of a lexicon: our own list, or one of the NRC lexicons."""

from pathlib import Path

import pandas as pd

from datamodules.captions.source import CaptionSource
from datamodules.captions.stable_choice import draw, number_of
from datamodules.errors import DataError
from datamodules.labels import EMOTIONS
from datamodules.manifest.tables import read_table

OWN = Path(__file__).with_name("lexicon.csv")
# The names of the NRC lexicons; None for what is no emotion of ours.
NRC_NAMES = {
    "anger": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "joy": "happiness",
    "sadness": "sadness",
    "surprise": "surprise",
    "anticipation": None,
    "trust": None,
    "positive": None,
    "negative": None,
}
# A caption takes three words of one grade in three, and not the emotion's own.
FEWEST = 10
Words = dict[str, list[tuple[str, float]]]

# A frame names the emotion and lists words of any part of speech.
FRAMES = (
    "The speaker sounds {degree}{emotion}; {first}, {second} and {third} are words for this voice.",
    "This is a voice of {noun}: {first}, {second} and {third}, {degree}{emotion} throughout.",
    "Someone speaks who is {degree}{emotion}; the tone brings {first}, {second} and {third} to mind.",
    "The words {first}, {second} and {third} describe how {degree}{emotion} this person sounds.",
    "Speech that expresses {noun}, {degree}{emotion}, in the words {first}, {second} and {third}.",
)
DEGREES = ("slightly ", "", "intensely ")
WITHOUT_DEGREE = ("neutral", "other")
WORDS = 3


class LexiconCaptions(CaptionSource):
    """A sentence on the clip's class with words that a lexicon gives for it: CLAP4emo's idea, without its ChatGPT.

    The lexicon's words are split into three grades of intensity. A hash of the seed, the class and the clip's id
    chooses a grade, three of its words, and the sentence's frame.

    Args:
        lexicon: An NRC lexicon, see `nrc_words`; null for our own words, which also serve the emotions that the NRC's
            lack, such as boredom. Without intensities (word-level) the grades are not named.
        seed: Of the choices.

    Raises:
        DataError: If the lexicon cannot be read.

    Reference: CLAP4emo, as EmotionRankCLAP describes it (section 4.1).
    """

    def __init__(self, lexicon: Path | None = None, seed: int = 1) -> None:
        self.seed = seed
        self.words = own_words() | (nrc_words(lexicon) if lexicon is not None else {})

    def write(self, rows: pd.DataFrame, train: pd.DataFrame) -> list[str]:
        without = rows.loc[rows["label"] == "", "id"]
        if len(without):
            more = ", ..." if len(without) > 5 else ""
            raise DataError(
                f"{len(without)} of {len(rows)} clips have no class, and their captions are made of it: "
                f"{', '.join(map(str, without[:5]))}{more}. Fill in the column "
                "'emotion', or choose another source of captions (data.texts.caption)"
            )
        return [self.describe(str(label), str(clip)) for label, clip in zip(rows["label"], rows["id"], strict=True)]

    def describe(self, label: str, clip: str) -> str:
        """Describe a class, a canonical noun, for one clip."""
        number = number_of(self.seed, label, clip)
        emotion = EMOTIONS[label]
        entries = [entry for entry in self.words[label] if entry[0] != emotion.adjective]
        if len(entries) < WORDS:
            raise DataError(
                f"captions: the lexicon has {len(entries)} words for {label}, expected {WORDS} or more; add some to "
                "datamodules/captions/lexicon.csv, or synonyms to datamodules/labels.py"
            )
        number, frame = divmod(number, len(FRAMES))
        number, grade = divmod(number, len(DEGREES))
        first_of_grade = grade * len(entries) // len(DEGREES)
        first_of_next = (grade + 1) * len(entries) // len(DEGREES)
        graded = entries[first_of_grade:first_of_next]
        if len(graded) < WORDS:
            graded = entries  # too few to be split into grades
        has_degree = label not in WITHOUT_DEGREE and entries[0][1] < entries[-1][1]
        first, second, third = (word for word, _ in draw(number, graded, WORDS))
        return FRAMES[frame].format(
            degree=DEGREES[grade] if has_degree else "",
            emotion=emotion.adjective,
            noun=emotion.noun,
            first=first,
            second=second,
            third=third,
        )


def own_words() -> Words:
    """Return our own list: fifteen to twenty words an emotion with their intensity, 0 to 1; weakest first.

    An emotion that the list lacks has its synonyms, all of one intensity.
    """
    table = read_table(OWN)
    words: Words = {}
    for emotion, word, intensity in zip(table["emotion"], table["word"], table["intensity"], strict=True):
        words.setdefault(emotion, []).append((word, float(intensity)))
    synonyms = {noun: [(word, 1.0) for word in emotion.synonyms] for noun, emotion in EMOTIONS.items()}
    return _sorted(synonyms | words)


def nrc_words(path: Path) -> Words:
    """Read the words of an NRC lexicon by emotion, weakest first, then in alphabetical order.

    Args:
        path: The word-level Emotion Lexicon, or the Intensity Lexicon: a line is a word, an emotion, and 0 or 1, or an
            intensity from 0 to 1, separated by tabs. A header line may come first.

    Raises:
        DataError: If the file is missing, holds anything else (with its line), or too few words of an emotion.

    Reference: Mohammad and Turney, "Crowdsourcing a word-emotion association lexicon", 2013; Mohammad, "Word affect
    intensities", 2018. Their files are free for research, from saifmohammad.com.
    """
    words: Words = {}
    for number, line in enumerate(_lines(path), start=1):
        cells = [cell.strip() for cell in line.split("\t")]
        if not line.strip() or (number == 1 and len(cells) == 3 and _score(cells[2]) is None):
            continue
        word, emotion, score = _entry(f"{path}:{number}", cells)
        noun = NRC_NAMES[emotion]
        if noun is not None and score > 0:
            words.setdefault(noun, []).append((word, score))
    few = [name for name, noun in NRC_NAMES.items() if noun and len(set(words.get(noun, []))) < FEWEST]
    if few:
        raise DataError(f"{path}: holds fewer than {FEWEST} words of {', '.join(few)}; expected a whole NRC lexicon")
    return _sorted(words)


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected an NRC lexicon (data.texts.caption.init_args.lexicon)")
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        line = path.read_bytes().count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}:{line}: not UTF-8, which the NRC lexicons are; download the file again") from error


def _entry(line: str, cells: list[str]) -> tuple[str, str, float]:
    if len(cells) != 3:
        raise DataError(f"{line}: found {len(cells)} cells, expected word<TAB>emotion<TAB>score")
    word, emotion, text = cells
    score = _score(text)
    if not word:
        raise DataError(f"{line}: the word is empty, expected word<TAB>emotion<TAB>score")
    if emotion not in NRC_NAMES:
        raise DataError(f"{line}: found the emotion {emotion!r}, expected one of {', '.join(NRC_NAMES)}")
    if score is None or not 0 <= score <= 1:
        raise DataError(f"{line}: found the score {text!r}, expected a number from 0 to 1")
    return word, emotion, score


def _score(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _sorted(words: Words) -> Words:
    return {noun: sorted(set(entries), key=lambda entry: (entry[1], entry[0])) for noun, entries in words.items()}
