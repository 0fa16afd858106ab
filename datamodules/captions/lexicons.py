"""Words of emotions with their intensity: our own list, and the NRC lexicons."""

from pathlib import Path

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


def own_words() -> Words:
    """Our list: fifteen to twenty words an emotion with their intensity, 0 to 1, ours as well; weakest first.

    An emotion that the list does not have gives its synonyms, all of one intensity.
    """
    table = read_table(OWN)
    words: Words = {}
    for emotion, word, intensity in zip(table["emotion"], table["word"], table["intensity"], strict=True):
        words.setdefault(emotion, []).append((word, float(intensity)))
    synonyms = {noun: [(word, 1.0) for word in emotion.synonyms] for noun, emotion in EMOTIONS.items()}
    return _sorted(synonyms | words)


def nrc_words(path: Path) -> Words:
    """The words of an NRC lexicon for each emotion of ours that it knows, weakest first, then in alphabetical order.

    Args:
        path: The word-level Emotion Lexicon, or the Intensity Lexicon: a line is a word, an emotion, and 0 or 1, or an
            intensity from 0 to 1, separated by tabs. A header line may stand first.

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


def _entry(place: str, cells: list[str]) -> tuple[str, str, float]:
    if len(cells) != 3:
        raise DataError(f"{place}: found {len(cells)} cells, expected word<TAB>emotion<TAB>score")
    word, emotion, text = cells
    score = _score(text)
    if not word:
        raise DataError(f"{place}: the word is empty, expected word<TAB>emotion<TAB>score")
    if emotion not in NRC_NAMES:
        raise DataError(f"{place}: found the emotion {emotion!r}, expected one of {', '.join(NRC_NAMES)}")
    if score is None or not 0 <= score <= 1:
        raise DataError(f"{place}: found the score {text!r}, expected a number from 0 to 1")
    return word, emotion, score


def _score(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _sorted(words: Words) -> Words:
    return {noun: sorted(set(entries), key=lambda entry: (entry[1], entry[0])) for noun, entries in words.items()}
