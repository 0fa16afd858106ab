"""Embeddings that the runs stored: of clips and texts, and the shared space of clips and their captions."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from datamodules.errors import DataError
from lightning_app.report.read.folders import ResultRun
from lightning_app.report.read.load import Runs
from lightning_app.runs.files import EMBEDDINGS_NPZ

_ARRAYS = ("audio", "audio_id", "audio_label", "audio_corpus", "text", "text_label", "text_kind")
Floats = NDArray[np.floating]


def read_embeddings(path: Path) -> dict[str, Any]:
    """Read the arrays of an embeddings.npz.

    Raises:
        DataError: The file cannot be read or lacks an array.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = dict(stored)
    except (OSError, ValueError, BadZipFile) as error:
        raise DataError(f"{path}: {error}; delete the folder and run the chain again") from error
    absent = [name for name in _ARRAYS if name not in arrays]
    if absent:
        raise DataError(f"{path}: no array {', '.join(absent)}; expected {', '.join(_ARRAYS)}")
    return arrays


def unit(vectors: Floats) -> Floats:
    """Scale every row to length one."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


@dataclass(frozen=True)
class Space:
    """N clips of one run.

    Args:
        audio_NE: Unit embeddings of the clips.
        caption_NE: Unit embeddings of each clip's caption.
        rating_N3: Valence, arousal and dominance on 1 to 7; NaN where not rated.
    """

    audio_NE: Floats
    caption_NE: Floats
    rating_N3: Floats

    def __len__(self) -> int:
        return len(self.audio_NE)

    def sample(self, most: int, seed: int = 0) -> "Space":
        """Draw at most ``most`` clips without replacement: the same ones for every model of as many clips."""
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
    """The stages that stored embeddings of captions, with the models of the first compared axis, untrained ones first.

    Where further axes vary, a model is shown at the setting of its first run.
    """
    axis = next((axis for axis in runs.compared_axes if axis != "system"), None)
    order = ["untrained", *(runs.axis_values(axis) if axis else [])]
    found: dict[str, dict[str, list[ResultRun]]] = {}
    for run in runs.stages:
        path = run.folder / EMBEDDINGS_NPZ
        if path.is_file() and "caption" in read_embeddings(path):
            model = run.axes.get(axis or "", run.stage)
            found.setdefault(run.stage, {}).setdefault(model, []).append(run)
    stages = []
    for stage, models in found.items():
        ordered = sorted(models, key=lambda model: order.index(model) if model in order else len(order))
        stages.append(StageSpaces(stage, {model: _repeats(models[model]) for model in ordered}))
    return stages


def _repeats(runs: list[ResultRun]) -> list[Path]:
    """Embeddings of the runs that differ from the first one in seed and fold alone."""
    settings = [{axis: value for axis, value in run.axes.items() if axis not in ("seed", "fold")} for run in runs]
    return [run.folder / EMBEDDINGS_NPZ for run, setting in zip(runs, settings, strict=True) if setting == settings[0]]


def read_space(path: Path) -> Space:
    """Read the shared space from an embeddings.npz with the array ``caption``.

    Raises:
        DataError: The file cannot be read, or its arrays do not fit each other.
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
