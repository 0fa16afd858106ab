"""Files of an evaluation: its predictions, results and embeddings."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from numpy.typing import NDArray

from datamodules.clips.data import ClipData
from datamodules.errors import DataError
from datamodules.manifest.spreadsheet import escaped_table
from lightning_app.callbacks.results import result_table, trial_table
from lightning_app.runs.files import EMBEDDINGS_NPZ, PREDICTIONS_PARQUET, RESULTS_CSV, TRIALS_CSV
from lightning_app.runs.predictions import CLIP_COLUMNS, joined, rating_rows, score_rows, text_rows
from models.recognition import DIMENSIONS, Output, Ratings, Texts, concatenated, on_cpu
from stages.evaluation import ClipOutputs, Evaluation


class WriteEvaluation(Callback):
    """Writes ``predictions.parquet``, ``results.csv`` and ``embeddings.npz`` into the run folder.

    Metrics of the shared space itself are in ``results.csv`` as the mean over their trials, under the system
    "shared space", and trial by trial in ``trials.csv``.

    Every row of the manifest's tested part is predicted once, whatever the number of ranks, or listed as skipped.
    ``predict`` writes the predictions alone, and none of the truth where a row has none.

    Args:
        seed: The run's, for the tables.
        record: Called with the results of a test, under ``system/metric``.
    """

    def __init__(self, seed: int, record: Callable[[Mapping[str, float]], None]) -> None:
        self.seed = seed
        self.record = record
        self._parts: list[ClipOutputs] = []

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        part: dict[str, Any] = dict(outputs)
        for key, value in outputs.items():
            if isinstance(value, torch.Tensor):
                part[key] = value.cpu()
        part["outputs"] = {system: on_cpu(output) for system, output in outputs["outputs"].items()}
        self._parts.append(part)  # type: ignore[arg-type]  # the same keys

    on_predict_batch_end = on_test_batch_end

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        parts = _of_all_ranks(self._parts, trainer)
        if trainer.is_global_zero:
            self._write_predictions(trainer, pl_module, parts, trainer.datamodule.table.predict)  # type: ignore[attr-defined]

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        parts = _of_all_ranks(self._parts, trainer)
        if not trainer.is_global_zero:
            return
        data: ClipData = trainer.datamodule  # type: ignore[attr-defined]
        stage: Evaluation = pl_module  # type: ignore[assignment]
        folder = Path(trainer.default_root_dir)
        predictions = self._write_predictions(trainer, stage, parts, data.table.test)
        results = result_table(predictions, stage, data, self.seed)
        if stage.measured:
            trial_table(stage.measured).to_csv(folder / TRIALS_CSV, index=False)
        escaped_table(results).to_csv(folder / RESULTS_CSV, index=False)
        _write_embeddings(folder / EMBEDDINGS_NPZ, parts, stage)
        names = results["system"] + "/" + results["metric"]
        self.record(dict(zip(names, results["value"], strict=True)))

    def _write_predictions(
        self, trainer: Trainer, pl_module: LightningModule, parts: list[ClipOutputs], rows: pd.DataFrame
    ) -> pd.DataFrame:
        data: ClipData = trainer.datamodule  # type: ignore[attr-defined]
        stage: Evaluation = pl_module  # type: ignore[assignment]
        clips = self._clips(parts, stage.labels, data)
        skipped = [line for part in parts for line in part["skipped"]]
        _require_every_row(clips["id"], len(skipped), rows["id"], data.manifest)
        true_NR = torch.cat([part["rating"] for part in parts]).float().numpy()
        outputs = {system: concatenated([part["outputs"][system] for part in parts]) for system in parts[0]["outputs"]}
        table = joined([_rows(clips, system, output, true_NR) for system, output in outputs.items()])
        table.to_parquet(Path(trainer.default_root_dir) / PREDICTIONS_PARQUET, index=False)
        return table

    def _clips(self, parts: list[ClipOutputs], labels: list[str], data: ClipData) -> pd.DataFrame:
        """The columns of predictions.parquet that do not depend on the system."""
        rows = data.table.all
        speakers = dict(zip(rows["id"], rows.get("speaker", pd.Series("", rows.index)), strict=True))
        clips = pd.DataFrame(
            {
                "id": [name for part in parts for name in part["id"]],
                "corpus": [corpus for part in parts for corpus in part["corpus"]],
                "truth": [labels[n] if n >= 0 else None for part in parts for n in part["label"].tolist()],
            }
        )
        clips["speaker"] = clips["id"].map(speakers)
        fold = data.split.fold if data.split.protocol is not None else None
        return clips.assign(label_set=data.label_set.name, seed=self.seed, fold=fold)[list(CLIP_COLUMNS)]


def _rows(clips: pd.DataFrame, system: str, output: Output, true_NR: NDArray[np.float32]) -> pd.DataFrame:
    if isinstance(output, Texts):
        return text_rows(clips, system, output.text)
    value = output.value.float().numpy()
    if isinstance(output, Ratings):
        return rating_rows(clips, system, output.labels, value, _of_dimensions(true_NR, output.labels))
    return score_rows(clips, system, output.labels, value)


def _of_dimensions(true_NR: NDArray[np.float32], dimensions: Sequence[str]) -> NDArray[np.float32]:
    """The raters' columns of these dimensions; NaN where a manifest has no column of one."""
    found = np.full((len(true_NR), len(dimensions)), np.nan, np.float32)
    for column, dimension in enumerate(dimensions):
        if dimension in DIMENSIONS:
            found[:, column] = true_NR[:, DIMENSIONS.index(dimension)]
    return found


def _of_all_ranks(parts: list[ClipOutputs], trainer: Trainer) -> list[ClipOutputs]:
    if trainer.world_size == 1:
        return parts
    gathered: list[Any] = [None] * trainer.world_size
    torch.distributed.all_gather_object(gathered, parts)
    return [part for of_rank in gathered for part in of_rank]


def _require_every_row(predicted: "pd.Series[str]", skipped: int, expected: pd.Series, manifest: Path) -> None:
    """Count: a number in a table is worth nothing if rows are missing from it, or in it twice."""
    twice = predicted.duplicated().sum()
    lost = len(expected) - len(predicted) - skipped
    if twice or lost:
        raise RuntimeError(f"{twice} clips predicted twice, {lost} of {len(expected)} not at all")
    if predicted.empty:
        raise DataError(f"{manifest}: not one of {len(expected)} recordings can be read; see skipped.csv")


def _write_embeddings(path: Path, parts: list[ClipOutputs], stage: Evaluation) -> None:
    points = stage.text_points()
    if points is None:
        return
    text_ME, text_labels, kinds = points
    arrays: dict[str, Any] = {
        "audio": torch.cat([part["embedding"] for part in parts]).float().numpy(),
        "audio_id": np.array([name for part in parts for name in part["id"]]),
        "audio_label": np.array([stage.labels[index] for part in parts for index in part["label"].tolist()]),
        "audio_corpus": np.array([corpus for part in parts for corpus in part["corpus"]]),
        "text": text_ME.cpu().float().numpy(),
        "text_label": np.array(text_labels),
        "text_kind": np.array(kinds),
    }
    # Where the shared space was measured, the captions and ratings of the clips are there, too.
    if stage.measurement is not None:
        arrays["caption"] = torch.cat([part["caption"] for part in parts]).float().numpy()
        arrays["rating"] = torch.cat([part["rating"] for part in parts]).float().numpy()
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)
