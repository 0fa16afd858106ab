"""What an evaluation leaves: predictions, results and embeddings as files."""

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
from lightning_app.runs.files import EMBEDDINGS_NPZ, PREDICTIONS_PARQUET, RESULTS_CSV, TRIALS_CSV
from lightning_app.runs.predictions import (
    CLIP_COLUMNS,
    RATING,
    SCORE,
    answers,
    joined,
    rating_rows,
    score_rows,
    text_rows,
)
from lightning_app.runs.results import COLUMNS, SPACE
from models.recognition import DIMENSIONS, Output, Ratings, Texts, concatenated, on_cpu
from stages.evaluation import ClipOutputs, Evaluation
from stages.metrics import RATING_SCORES, Better, Trials, confusion_matrix


class WriteEvaluation(Callback):
    """Writes ``predictions.parquet``, ``results.csv`` and ``embeddings.npz`` into the run folder.

    What was measured of the shared space itself is in ``results.csv`` as the mean over its trials, under the system
    "shared space", and trial by trial in ``trials.csv``.

    Every row of the manifest's tested part is predicted once, whatever the number of ranks, or listed as skipped.
    ``predict`` writes the predictions alone, and none of the truth where a row has none.

    Args:
        seed: The run's, for the tables.
        record: Called with the results of a test, under ``system/metric``.
    """

    def __init__(self, seed: int, record: Callable[[Mapping[str, float]], None]) -> None:
        self.seed, self.record = seed, record
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
        kept = {key: value.cpu() if isinstance(value, torch.Tensor) else value for key, value in outputs.items()}
        kept["outputs"] = {system: on_cpu(output) for system, output in outputs["outputs"].items()}
        self._parts.append(kept)  # type: ignore[arg-type]  # the same keys

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
        table = self._write_predictions(trainer, stage, parts, data.table.test)
        clips = sum(len(part["id"]) for part in parts)
        rows = [
            *self._recognised(table, stage, data),
            *self._rated(table, data),
            *self._measured(stage, data, clips),
        ]
        results = pd.DataFrame(rows, columns=list(COLUMNS))
        if stage.measured:
            _trials(stage.measured).to_csv(folder / TRIALS_CSV, index=False)
        escaped_table(results).to_csv(folder / RESULTS_CSV, index=False)
        _write_embeddings(folder / EMBEDDINGS_NPZ, parts, stage)
        self.record({f"{row['system']}/{row['metric']}": row["value"] for row in rows})

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
        """What predictions.parquet says of each clip, whatever the system."""
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

    def _recognised(self, table: pd.DataFrame, stage: Evaluation, data: ClipData) -> list[dict[str, Any]]:
        """The scores of each system on each corpus."""
        number = {label: place for place, label in enumerate(stage.labels)}
        rows = []
        for names, group in answers(table).groupby(["system", "corpus"], sort=False, observed=True):
            system, corpus = map(str, names)
            truth, predicted = (group[column].astype(object).map(number).to_numpy() for column in ("truth", "label"))
            confusion = confusion_matrix(truth, predicted, len(number))
            rows += [
                self._row(system, corpus, SCORE, score.name, score.better, score.of(confusion), len(group), data)
                for score in stage.scores
            ]
        return rows

    def _rated(self, table: pd.DataFrame, data: ClipData) -> list[dict[str, Any]]:
        """The agreement of each system with the raters, on each dimension of each corpus."""
        rows = []
        ratings = table[table["kind"] == RATING]
        for names, group in ratings.groupby(["system", "corpus", "label"], sort=False, observed=True):
            system, corpus, dimension = map(str, names)
            rated = group[group["true_value"].notna()]
            predicted_N, true_N = rated["value"].to_numpy(), rated["true_value"].to_numpy()
            for score in RATING_SCORES:
                name, value = f"{score.name} {dimension}", score.of(predicted_N, true_N)
                rows.append(self._row(system, corpus, RATING, name, score.better, value, len(rated), data))
        return rows

    def _measured(self, stage: Evaluation, data: ClipData, clips: int) -> list[dict[str, Any]]:
        """The mean of each metric over the trials in which it could be measured."""
        corpora = (
            "+".join(sorted(set(data.table.test.get("corpus", pd.Series(dtype=str))))) or data.manifest.parent.name
        )
        return [
            self._row("shared space", corpora, SPACE, metric, trials.better, _mean(trials.values), clips, data)
            for metric, trials in stage.measured.items()
        ]

    def _row(
        self, system: str, corpus: str, kind: str, metric: str, better: Better, value: float, n: int, data: ClipData
    ) -> dict[str, Any]:
        return {
            "system": system,
            "corpus": corpus,
            "label_set": data.label_set.name,
            "kind": kind,
            "metric": metric,
            "better": better,
            "seed": self.seed,
            "fold": data.split.fold if data.split.protocol is not None else "",
            "value": value,
            "n": n,
        }


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


def _mean(values: list[float]) -> float:
    return float(np.nanmean(values or [np.nan]))


def _trials(measured: dict[str, Trials]) -> pd.DataFrame:
    rows = [(metric, trial, value) for metric, trials in measured.items() for trial, value in enumerate(trials.values)]
    return pd.DataFrame(rows, columns=["metric", "trial", "value"])


def _captions(parts: list[ClipOutputs]) -> dict[str, Any]:
    """Captions and ratings beside the clips, where the shared space was measured."""
    keys = ("caption", "rating") if parts else ()
    return {key: torch.cat([part[key] for part in parts]).float().numpy() for key in keys}  # type: ignore[literal-required]


def _write_embeddings(path: Path, parts: list[ClipOutputs], stage: Evaluation) -> None:
    points = stage.text_points()
    if points is None:
        return
    text_ME, text_labels, kinds = points
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            audio=torch.cat([part["embedding"] for part in parts]).float().numpy(),
            audio_id=np.array([name for part in parts for name in part["id"]]),
            audio_label=np.array([stage.labels[number] for part in parts for number in part["label"].tolist()]),
            audio_corpus=np.array([corpus for part in parts for corpus in part["corpus"]]),
            **_captions(parts if stage.measurement is not None else []),
            text=text_ME.cpu().float().numpy(),
            text_label=np.array(text_labels),
            text_kind=np.array(kinds),
        )
