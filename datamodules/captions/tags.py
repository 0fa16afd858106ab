"""Tags of a clip: its emotion, ratings, gender and acoustic levels, as a list of words."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pandas as pd

from datamodules.acoustics.autocorrelation import AutocorrelationAcoustics
from datamodules.acoustics.base import Acoustics
from datamodules.captions.levels import SPOKEN_RATINGS, ClipLevels
from datamodules.captions.source import CaptionSource, require_texts
from datamodules.labels import EMOTIONS

_MEASURES = {
    "pitch_mean": "pitch",
    "pitch_std": "pitch variation",
    "intensity_mean": "intensity",
    "intensity_std": "intensity variation",
    "jitter_mean": "jitter",
    "jitter_std": "jitter variation",
    "shimmer_mean": "shimmer",
    "shimmer_std": "shimmer variation",
    "duration": "duration",
}
_RATING_WORDS = {"low": "low", "middle": "mid", "high": "high"}
_MEASURE_WORDS = {"low": "low", "middle": "normal", "high": "high"}
_DURATION_WORDS = {"low": "short", "middle": "normal", "high": "long"}


class Tags(CaptionSource):
    """Tags in a fixed order: emotion, arousal, valence, dominance, gender, then what is measured.

    Such as "angry, high arousal, low valence, high dominance, female, high pitch, normal pitch variation, high
    intensity, low intensity variation, short duration". What is unknown is left out. Low, middle and high are the
    bottom 30, middle 40 and top 30 percent of the training clips.

    Args:
        acoustics: Measures the clips; None for our own estimate, which has neither jitter nor shimmer.
        labels: Whether to tag emotion, ratings and gender.
        measured: Whether to tag what is measured.
        bins: File of the thresholds that a training run wrote; None takes them from the training clips.
        workers: Processes that measure; None takes one per core, 0 measures in this process.

    Reference: SmoothCLAP, section 2, "Tag Generation".
    """

    def __init__(
        self,
        acoustics: Acoustics | None = None,
        labels: bool = True,
        measured: bool = True,
        bins: Path | None = None,
        workers: int | None = None,
    ) -> None:
        self.labels = labels
        chosen = acoustics or AutocorrelationAcoustics()
        self.levels = ClipLevels(chosen if measured else None, labels, bins, workers)

    @property
    def slow(self) -> bool:
        return self.levels.acoustics is not None

    def write(self, rows: pd.DataFrame, train: pd.DataFrame) -> list[str]:
        levels = self.levels.levels(rows, train)
        texts = []
        for row, level in zip(rows.to_dict("records"), levels, strict=True):
            tags = _label_tags(row, level) if self.labels else []
            tags += _measure_tags(level)
            texts.append(", ".join(tags))
        return require_texts(texts, rows, "nothing that could be a tag")

    def bins(self, train: pd.DataFrame) -> dict[str, tuple[float, float]]:
        return self.levels.thresholds(train).bounds


def _label_tags(row: dict[Hashable, Any], level: dict[str, str]) -> list[str]:
    tags = []
    if row.get("label"):
        tags.append(EMOTIONS[str(row["label"])].adjective)
    tags += [f"{_RATING_WORDS[level[name]]} {name}" for name in SPOKEN_RATINGS if level.get(name)]
    if row.get("gender"):
        tags.append(str(row["gender"]))
    return tags


def _measure_tags(level: dict[str, str]) -> list[str]:
    tags = []
    for quantity, name in _MEASURES.items():
        words = _DURATION_WORDS if quantity == "duration" else _MEASURE_WORDS
        if level.get(quantity):
            tags.append(f"{words[level[quantity]]} {name}")
    return tags
