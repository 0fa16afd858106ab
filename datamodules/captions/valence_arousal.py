"""Captions of speaking styles, from ratings of valence and arousal, by a grammar."""

import math

import pandas as pd

from datamodules.captions.source import CaptionSource
from datamodules.captions.stable_choice import number_of
from datamodules.errors import DataError

# Two scales for each attribute, from 1 to 7. They change in turn, half a point apart, so that a description shares most
# of its words with its neighbours, some with those a little further away, and none with the far end.
MOODS = ("wretched", "miserable", "unhappy", "even-tempered", "content", "cheerful", "overjoyed")
ATTITUDES = ("hostile", "bitter", "annoyed", "polite", "friendly", "affectionate", "loving")
ENERGIES = (
    "almost no energy",
    "very little energy",
    "rather little energy",
    "moderate energy",
    "rather high energy",
    "very high energy",
    "explosive energy",
)
DELIVERIES = (
    "almost whispered, sleepy",
    "quiet, slow",
    "soft, slow",
    "moderate, steady",
    "firm, brisk",
    "fast, forceful",
    "shouted, frantic",
)
# What the two make together: a row per arousal from lowest to highest, a column per valence.
STYLES = (
    ("despondent", "downcast", "drowsy", "peaceful", "serene"),
    ("dejected", "weary", "subdued", "gentle", "soothing"),
    ("resentful", "discontented", "matter-of-fact", "pleasant", "sunny"),
    ("angry", "tense", "alert", "lively", "delighted"),
    ("furious", "agitated", "intense", "excited", "ecstatic"),
)
FRAMES = (
    "The person is speaking in {style} voice, sounding {mood} and {attitude}, with {energy} and {delivery} delivery.",
    "The person is speaking with {energy} and {delivery} delivery, in {style} voice that sounds {mood} and {attitude}.",
    "The person is speaking like someone {mood} and {attitude}, in {style} tone, with {energy} and {delivery} pace.",
    "The person is speaking in {style} and {attitude} way, sounding {mood}, with {delivery} delivery and {energy}.",
    "The person is speaking with {energy}, sounding {mood}, in {style} and {attitude} tone with {delivery} pace.",
    "The person is speaking in {delivery} manner, {attitude} and {mood}, with {energy} in {style} voice.",
)
LEVELS = 2 * (len(MOODS) - 1)


class ValenceArousalCaptions(CaptionSource):
    """One sentence a clip, "The person is speaking ...", by a deterministic grammar in place of a language model.

    Thirteen levels of each attribute, half a point apart on the scale from 1 to 7. The frame of the sentence is chosen
    by a hash of the seed, the ratings to two decimals, and the clip's id.

    Args:
        seed: Another seed, other frames.
        paraphrases: How many frames are used, 1 to 6.

    Raises:
        ValueError: If there are not that many frames.

    Reference: EmotionRankCLAP, section 3.4 and Figure 2, whose captions are a language model's and are not published.
    """

    def __init__(self, seed: int = 1, paraphrases: int = len(FRAMES)) -> None:
        if not 1 <= paraphrases <= len(FRAMES):
            raise ValueError(f"paraphrases must be 1 to {len(FRAMES)}, got {paraphrases}")
        self.seed, self.paraphrases = seed, paraphrases

    def write(self, rows: pd.DataFrame, train: pd.DataFrame) -> list[str]:
        require_ratings(rows)
        return [
            self.describe(valence, arousal, self._variant(valence, arousal, str(clip)))
            for valence, arousal, clip in zip(rows["valence"], rows["arousal"], rows["id"], strict=True)
        ]

    def describe(self, valence: float, arousal: float, variant: int = 0) -> str:
        """Describe one point of the plane.

        Args:
            valence: 1 (very negative) to 7 (very positive); numbers beyond either end count as that end.
            arousal: 1 (very calm) to 7 (very active), likewise.
            variant: Number of the paraphrase, modulo ``paraphrases``.

        >>> ValenceArousalCaptions().describe(6.5, 6.5)
        'The person is speaking in an ecstatic voice, sounding overjoyed and affectionate, with explosive energy \
and a fast, forceful delivery.'
        """
        v = _level(valence)
        a = _level(arousal)
        return FRAMES[variant % self.paraphrases].format(
            style=_with_article(STYLES[_coarse(a)][_coarse(v)]),
            mood=MOODS[(v + 1) // 2],
            attitude=ATTITUDES[v // 2],
            energy=ENERGIES[(a + 1) // 2],
            delivery=_with_article(DELIVERIES[a // 2]),
        )

    def _variant(self, valence: float, arousal: float, clip: str) -> int:
        return number_of(self.seed, f"{valence:.2f}", f"{arousal:.2f}", clip) % self.paraphrases


def _level(rating: float) -> int:
    """Return the nearest of the half points from 1 to 7, as 0 to 12; halves are rounded up."""
    return min(max(math.floor(2 * (round(rating, 2) - 1) + 0.5), 0), LEVELS)


def _coarse(level: int) -> int:
    """Return one of five levels: two of thirteen at either end and three in between."""
    return (level + 1) // 3


def _with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def require_ratings(rows: pd.DataFrame, names: tuple[str, ...] = ("valence", "arousal")) -> None:
    """Refuse rows that are not rated from 1 to 7.

    Raises:
        DataError: With the first five rows, how many there are, and the remedy.
    """
    for name in names:
        if name not in rows:
            raise DataError(
                f"column {name!r} is missing in the manifest, and the captions are made of it; rate the clips from 1 "
                "to 7, or choose another source of captions (data.texts.caption)"
            )
        wrong = rows.loc[~rows[name].between(1, 7), ["id", name]]
        if len(wrong):
            first = [f"line {line} ({row['id']}): {row[name]:g}" for line, row in wrong.head(5).iterrows()]
            listed = "; ".join(first).replace(": nan", ": empty")
            raise DataError(
                f"column {name!r}: {len(wrong)} of {len(rows)} clips are not rated from 1 to 7, and their captions are "
                f"made of it: {listed}{'; ...' if len(wrong) > 5 else ''}. Rate them, leave them out of the manifest, "
                "or choose another source of captions (data.texts.caption)"
            )
