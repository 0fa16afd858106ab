"""Captions of categorical emotions, made with the words of a lexicon."""

from pathlib import Path

import pandas as pd

from datamodules.captions.choice import draw, number_of
from datamodules.captions.lexicons import nrc_words, own_words
from datamodules.captions.source import CaptionSource
from datamodules.errors import DataError
from datamodules.labels import EMOTIONS

# A frame names the emotion and lists words that may be of any part of speech.
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
        lexicon: An NRC lexicon, see `nrc_words`; null for our own words, which also stand in for the emotions that the
            NRC's do not know, such as boredom. Without intensities (word-level) the grades are not named.
        seed: Another seed, other choices.

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
            raise DataError(
                f"{len(without)} of {len(rows)} clips have no class, and their captions are made of it: "
                f"{', '.join(map(str, without[:5]))}{', ...' if len(without) > 5 else ''}. Fill in the column "
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
        bounds = [place * len(entries) // len(DEGREES) for place in range(len(DEGREES) + 1)]
        graded = entries[bounds[grade] : bounds[grade + 1]]
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
