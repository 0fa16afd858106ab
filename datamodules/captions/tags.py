"""Tags: what a corpus says of a clip and what is heard in it, as a list of words."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pandas as pd

from datamodules.acoustics.autocorrelation import AutocorrelationAcoustics
from datamodules.acoustics.base import Acoustics
from datamodules.captions.quantities import SPOKEN_RATINGS, Quantities, require_texts
from datamodules.captions.source import CaptionSource
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
    intensity, low intensity variation, short duration". What is not known is left out. Low, middle and high are the
    bottom 30, middle 40 and top 30 percent of the training clips.

    Args:
        acoustics: Who measures; None: our own estimate, which knows neither jitter nor shimmer.
        labels: Whether emotion, ratings and gender are said.
        measured: Whether what is measured is said.
        bins: File of the bounds that a training run wrote; None takes them from the training clips.
        workers: Processes that measure; None takes one per core, 0 measures in this process.

    Source: SmoothCLAP, section 2, "Tag Generation".
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
        self.quantities = Quantities(
            (acoustics or AutocorrelationAcoustics()) if measured else None, labels, bins, workers
        )

    @property
    def slow(self) -> bool:
        return self.quantities.acoustics is not None

    def write(self, rows: pd.DataFrame, train: pd.DataFrame) -> list[str]:
        levels = self.quantities.levels(rows, train)
        tags = [
            [*(_label_tags(row, level) if self.labels else []), *_measure_tags(level)]
            for row, level in zip(rows.to_dict("records"), levels, strict=True)
        ]
        return require_texts([", ".join(words) for words in tags], rows, "nothing that could be a tag")

    def bins(self, train: pd.DataFrame) -> dict[str, tuple[float, float]]:
        return self.quantities.bins(train).bounds


def _label_tags(row: dict[Hashable, Any], level: dict[str, str]) -> list[str]:
    emotion = [EMOTIONS[str(row["label"])].adjective] if row.get("label") else []
    ratings = [f"{_RATING_WORDS[level[name]]} {name}" for name in SPOKEN_RATINGS if level.get(name)]
    return [*emotion, *ratings, *([str(row["gender"])] if row.get("gender") else [])]


def _measure_tags(level: dict[str, str]) -> list[str]:
    return [
        f"{(_DURATION_WORDS if name == 'duration' else _MEASURE_WORDS)[level[name]]} {words}"
        for name, words in _MEASURES.items()
        if level.get(name)
    ]
