"""Captions of computational paralinguistics, phrase by phrase: ParaCLAP."""

import hashlib
import random
from bisect import bisect
from itertools import accumulate
from pathlib import Path
from typing import Literal

import pandas as pd

from datamodules.acoustics.autocorrelation import AutocorrelationAcoustics
from datamodules.acoustics.base import Acoustics
from datamodules.captions.levels import ClipLevels
from datamodules.captions.phrasebook import ACOUSTIC, DEGREE, EMOTION, GENDER, RATING
from datamodules.captions.source import CaptionSource, require_texts
from datamodules.labels import EMOTIONS

# ParaCLAP's code leaves these out, and has one wording for everything else but length and loudness.
_NOT_IN_CODE = ("intensity_std", "jitter_std", "shimmer_std")
_VARIED_IN_CODE = ("duration", "intensity_mean")
_WITHOUT_DEGREE = ("neutral", "other")


class ParaClapCaptions(CaptionSource):
    """Captions such as "speaker has a high-pitched voice and speaks loudly and sounds angry and is full of energy".

    The phrases stand in a fixed order: pitch and its variation, intensity, duration, jitter, shimmer, emotion, arousal,
    dominance, valence, gender. What is unknown is left out. High arousal adds a phrase that intensifies the emotion,
    low arousal one that attenuates it. Low, middle and high are the bottom 30, middle 40 and top 30 percent of the
    training clips. A phrase with several wordings takes one by a hash of the seed and the clip's id.

    Args:
        acoustics: Measures the clips; None for our own estimate, which has neither jitter nor shimmer.
        preset: ``paper``: mean and variation of pitch, intensity, jitter and shimmer, in varied wording; ``code``: as
            ParaCLAP's published code, variation of pitch alone, and mostly one wording; a clip is loud
            where its level or its loudness (Egemaps) is high, or else soft where either is low.
        sample: At most that many phrases beside the emotion's: their number n is drawn with a probability that falls
            linearly, in proportion to ``sample + 1 - n``; None keeps all.
        bins: File of the thresholds that a training run wrote; None takes them from the training clips.
        seed: Of wording and sampling.
        workers: Processes that measure; None takes one per core, 0 measures in this process.

    Reference: Jing et al., "ParaCLAP: Towards a general language-audio model for computational paralinguistic tasks",
    2024, for the structure; the words are ours.
    """

    def __init__(
        self,
        acoustics: Acoustics | None = None,
        preset: Literal["paper", "code"] = "paper",
        sample: int | None = None,
        bins: Path | None = None,
        seed: int = 1,
        workers: int | None = None,
    ) -> None:
        if sample is not None and sample < 1:
            raise ValueError(f"sample must be at least 1, or null for all phrases; got {sample}")
        self.preset = preset
        self.sample = sample
        self.seed = seed
        self.levels = ClipLevels(acoustics or AutocorrelationAcoustics(), True, bins, workers)

    @property
    def slow(self) -> bool:
        return self.levels.acoustics is not None

    def write(self, rows: pd.DataFrame, train: pd.DataFrame) -> list[str]:
        levels = self.levels.levels(rows, train)
        captions = [
            self._caption(str(row["id"]), str(row.get("label") or ""), str(row.get("gender") or ""), level)
            for row, level in zip(rows.to_dict("records"), levels, strict=True)
        ]
        return require_texts(captions, rows, "nothing that could be said of them")

    def bins(self, train: pd.DataFrame) -> dict[str, tuple[float, float]]:
        return self.levels.thresholds(train).bounds

    def _caption(self, clip: str, label: str, gender: str, level: dict[str, str]) -> str:
        phrases: dict[str, str] = {}
        if self.preset == "code":
            level = {**level, "intensity_mean": _either(level.get("intensity_mean"), level.get("loudness_mean"))}
        for quantity, words in ACOUSTIC.items():
            left_out = self.preset == "code" and quantity in _NOT_IN_CODE
            if level.get(quantity) and not left_out:
                phrases[quantity] = self._choose(clip, quantity, words[level[quantity]])
        if label:
            adjective = EMOTIONS[label].adjective
            phrases["emotion"] = self._choose(clip, "emotion", EMOTION).format(emotion=adjective)
            if level.get("arousal") in DEGREE and label not in _WITHOUT_DEGREE:
                degree = self._choose(clip, "degree", DEGREE[level["arousal"]])
                phrases["degree"] = degree.format(emotion=adjective)
        for quantity, words in RATING.items():
            if level.get(quantity):
                phrases[quantity] = self._choose(clip, quantity, words[level[quantity]])
        if gender in GENDER:
            phrases["gender"] = self._choose(clip, "gender", GENDER[gender])
        kept = self._sampled(clip, list(phrases))
        chosen = [phrase for quantity, phrase in phrases.items() if quantity in kept]
        return f"speaker {' and '.join(chosen)}" if chosen else ""

    def _sampled(self, clip: str, quantities: list[str]) -> set[str]:
        """Sample the quantities that the caption describes."""
        if self.sample is None:
            return set(quantities)
        draw = random.Random(self._hash(clip, "sample")).random  # the one method whose numbers every Python repeats
        shares = list(accumulate(range(self.sample, 0, -1)))
        count = 1 + bisect(shares, draw() * shares[-1])
        others = [quantity for quantity in quantities if quantity != "emotion"]
        others.sort(key=lambda _: draw())
        return {"emotion", *others[:count]}

    def _choose(self, clip: str, quantity: str, wordings: tuple[str, ...]) -> str:
        if self.preset == "code" and quantity not in _VARIED_IN_CODE:
            return wordings[0]
        return wordings[self._hash(clip, quantity) % len(wordings)]

    def _hash(self, clip: str, purpose: str) -> int:
        digest = hashlib.blake2b(f"{self.seed}|{purpose}|{clip}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big")


def _either(*levels: str | None) -> str:
    """Return the level that ParaCLAP's code takes of several measurements of one thing; "" where none is known."""
    return next((level for level in ("high", "low", "middle") if level in levels), "")
