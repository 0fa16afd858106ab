"""The shared space of each model: embeddings of clips and of their captions, as the runs stored them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datamodules.errors import DataError
from lightning_app.report.plots.embedding import Floats, read_embeddings, unit
from lightning_app.report.read.folders import ResultRun
from lightning_app.report.read.load import Runs
from lightning_app.report.statistics.compare import axis_values, compared_axes
from lightning_app.runs.files import EMBEDDINGS_NPZ

_REPEATS = ("seed", "fold")


@dataclass(frozen=True)
class Space:
    """N clips of one run.

    Args:
        audio_NE: unit embeddings of the clips.
        caption_NE: unit embeddings of each clip's caption.
        rating_N3: valence, arousal and dominance on 1 to 7; NaN where not rated.
    """

    audio_NE: Floats
    caption_NE: Floats
    rating_N3: Floats

    def __len__(self) -> int:
        return len(self.audio_NE)

    def some(self, most: int, seed: int = 0) -> "Space":
        """At most `most` clips, drawn without replacement: the same ones for every model of as many clips."""
        chosen = np.sort(np.random.default_rng(seed).permutation(len(self))[:most])
        return Space(self.audio_NE[chosen], self.caption_NE[chosen], self.rating_N3[chosen])


@dataclass(frozen=True)
class StageSpaces:
    """One stage's embeddings with captions: the files of each model, its first seed and fold first."""

    stage: str
    files: dict[str, list[Path]]

    def first(self) -> Iterator[tuple[str, Space]]:
        """Each model with the space of its first run."""
        return ((model, read_space(paths[0])) for model, paths in self.files.items())


def spaces(runs: Runs) -> list[StageSpaces]:
    """For each stage that stored captions' embeddings: the models of the first compared axis, untrained ones first.

    Where further axes vary, a model is shown at the setting of its first run.
    """
    axis = next((axis for axis in compared_axes(runs) if axis != "system"), None)
    order = axis_values(runs, axis) if axis else []
    found: dict[str, dict[str, list[ResultRun]]] = {}
    for run in runs.stages:
        path = run.folder / EMBEDDINGS_NPZ
        if path.is_file() and _has_captions(path):
            found.setdefault(run.stage, {}).setdefault(run.axes.get(axis or "", run.stage), []).append(run)
    return [
        StageSpaces(stage, {model: _repeats(models[model]) for model in sorted(models, key=lambda m: _place(m, order))})
        for stage, models in found.items()
    ]


def _has_captions(path: Path) -> bool:
    return "caption" in read_embeddings(path)


def _repeats(of_model: list[ResultRun]) -> list[Path]:
    def setting(run: ResultRun) -> dict[str, str]:
        return {axis: value for axis, value in run.axes.items() if axis not in _REPEATS}

    return [run.folder / EMBEDDINGS_NPZ for run in of_model if setting(run) == setting(of_model[0])]


def _place(model: str, order: list[str]) -> tuple[bool, int]:
    return model != "untrained", order.index(model) if model in order else len(order)


def read_space(path: Path) -> Space:
    """The space that an embeddings.npz with the array `caption` holds.

    Raises:
        DataError: the file cannot be read, or its arrays do not fit each other.
    """
    arrays = read_embeddings(path)
    audio, caption = arrays["audio"], arrays["caption"]
    rating = arrays.get("rating", np.full((len(audio), 3), np.nan))
    if caption.shape != audio.shape or rating.shape != (len(audio), 3):
        raise DataError(
            f"{path}: caption is {caption.shape}, rating {rating.shape}; expected {audio.shape}, as audio, "
            f"and {(len(audio), 3)}; delete the folder and run the chain again"
        )
    return Space(unit(audio.astype(np.float64)), unit(caption.astype(np.float64)), rating.astype(np.float64))
