"""The corpora that `prepare` knows: where each one's reader is, its licence, and what its publisher counts.

A reader is the module of the same name beside this file; its `rows(root)` turns the folder, as published, into manifest
rows. It reads names and tables, never audio.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import cast


@dataclass(frozen=True)
class Corpus:
    """What is known of a corpus beforehand.

    Args:
        title: its full name.
        licence: as its publisher states it.
        counts: published number of clips per emotion.
        known_bad: clips (by id) that are known to be unusable, and why.
        known_bad_version: number of that list, raised whenever it changes: manifests of two versions are two corpora.
        releases: numbers of clips by which a release can be told, all of them or those of its training part, before or
            after leaving out what has no class; each with the release's name.
    """

    title: str
    licence: str
    counts: Mapping[str, int]
    known_bad: Mapping[str, str] = field(default_factory=dict)
    known_bad_version: int = 0
    releases: Mapping[int, str] = field(default_factory=dict)


CORPORA: dict[str, Corpus] = {
    "emodb": Corpus(
        title="Berlin Database of Emotional Speech (EmoDB)",
        licence="free for research",
        counts={
            "anger": 127,
            "boredom": 81,
            "disgust": 46,
            "fear": 69,
            "happiness": 71,
            "neutral": 79,
            "sadness": 62,
        },
    ),
    "tess": Corpus(
        title="Toronto Emotional Speech Set (TESS)",
        licence="CC BY-NC-ND 4.0",
        counts=dict.fromkeys(("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"), 400),
    ),
    "cremad": Corpus(
        title="Crowd-sourced Emotional Multimodal Actors Dataset (CREMA-D)",
        licence="ODbL 1.0 (database), DbCL 1.0 (contents)",
        counts={"neutral": 1087} | dict.fromkeys(("anger", "disgust", "fear", "happiness", "sadness"), 1271),
        known_bad={
            "1064_IEO_DIS_MD": "a minute long, with all emotions of the sentence",
            "1064_TIE_SAD_XX": "no duration",
            "1076_MTI_NEU_XX": "no speech",
            "1076_MTI_SAD_XX": "no audio",
        },
        known_bad_version=1,
    ),
    "ravdess": Corpus(
        title="Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS), speech",
        licence="CC BY-NC-SA 4.0",
        counts={"neutral": 96}
        | dict.fromkeys(("anger", "calm", "disgust", "fear", "happiness", "sadness", "surprise"), 192),
    ),
    "iemocap": Corpus(
        title="Interactive Emotional Dyadic Motion Capture Database (IEMOCAP)",
        licence="for research, by agreement with the University of Southern California",
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
    ),
    "msp_podcast": Corpus(
        title="MSP-Podcast",
        licence="for research, by agreement with the University of Texas at Dallas",
        counts={},
        # SmoothCLAP, section 3.1 (all, and those with agreement); EmotionRankCLAP, section 4.1 (neither X nor O).
        releases={55283: "1.9", 45619: "1.9", 90022: "1.12"},
    ),
}


def corpus_rows(name: str, root: Path) -> list[dict[str, object]]:
    """The manifest rows of the corpus `name` in the folder `root`, with `file`, the absolute path.

    Raises:
        DataError: the folder is not laid out as published.
    """
    reader = import_module(f"datamodules.corpora.{name}")
    return cast(list[dict[str, object]], reader.rows(Path(root)))
