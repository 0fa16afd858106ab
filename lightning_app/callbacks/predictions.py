"""What an evaluation leaves: predictions, results and embeddings as files."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from datamodules.clips.data import ClipData
from datamodules.errors import DataError
from datamodules.manifest.spreadsheet import escaped_table
from stages.evaluation import ClipScores, Evaluation
from stages.metrics import confusion_matrix, scores

METRICS = ("WA", "UA", "WF1", "precision")


class WriteEvaluation(Callback):
    """Writes ``predictions.parquet``, ``results.csv`` and ``embeddings.npz`` into the run folder.

    What was measured of the shared space itself is in ``results.csv`` as the mean over its trials, under the system
    "shared space", and trial by trial in ``trials.csv``.

    Every row of the manifest's tested part is predicted once, whatever the number of ranks, or listed as skipped.
    ``predict`` writes the predictions alone, and none of the truth where a row has none.

    Args:
        seed: The run's, for the tables.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._parts: list[ClipScores] = []

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
        kept["scores"] = {system: score.cpu() for system, score in outputs["scores"].items()}
        self._parts.append(kept)  # type: ignore[arg-type]  # the same keys

    on_predict_batch_end = on_test_batch_end

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        parts = _of_all_ranks(self._parts, trainer)
        if trainer.is_global_zero:
            self._write_predictions(trainer, pl_module, parts, trainer.datamodule.predict_rows)  # type: ignore[attr-defined]

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        parts = _of_all_ranks(self._parts, trainer)
        if not trainer.is_global_zero:
            return
        data: ClipData = trainer.datamodule  # type: ignore[attr-defined]
        stage: Evaluation = pl_module  # type: ignore[assignment]
        folder = Path(trainer.default_root_dir)
        table = self._write_predictions(trainer, stage, parts, data.test_rows)
        clips = sum(len(part["id"]) for part in parts)
        results = pd.DataFrame([*self._results(table, stage.labels, data), *self._measured(stage, data, clips)])
        if stage.measured:
            _trials(stage.measured).to_csv(folder / "trials.csv", index=False)
        escaped_table(results).to_csv(folder / "results.csv", index=False)
        _write_embeddings(folder / "embeddings.npz", parts, stage)
        for row in results.itertuples():
            trainer.callback_metrics[f"{row.system}/{row.metric}"] = torch.tensor(row.value)

    def _write_predictions(
        self, trainer: Trainer, pl_module: LightningModule, parts: list[ClipScores], rows: pd.DataFrame
    ) -> pd.DataFrame:
        data: ClipData = trainer.datamodule  # type: ignore[attr-defined]
        stage: Evaluation = pl_module  # type: ignore[assignment]
        table = self._predictions(parts, stage.labels, data)
        skipped = [line for part in parts for line in part["skipped"]]
        _require_every_row(table, skipped, rows["id"], data.manifest)
        table.to_parquet(Path(trainer.default_root_dir) / "predictions.parquet", index=False)
        return table

    def _predictions(self, parts: list[ClipScores], labels: list[str], data: ClipData) -> pd.DataFrame:
        rows = data.all_rows
        speakers = dict(zip(rows["id"], rows.get("speaker", pd.Series("", rows.index)), strict=True))
        tables = []
        for part in parts:
            for system, score_NC in part["scores"].items():
                table = pd.DataFrame(score_NC.float().numpy(), columns=[f"score_{label}" for label in labels])
                table.insert(0, "id", part["id"])
                table.insert(1, "corpus", part["corpus"])
                table.insert(2, "speaker", [speakers[name] for name in part["id"]])
                table.insert(3, "system", system)
                table.insert(4, "truth", [labels[n] if n >= 0 else None for n in part["label"].tolist()])
                table.insert(5, "view", data.view.name)
                table.insert(6, "label", [labels[number] for number in score_NC.argmax(1).tolist()])
                tables.append(table)
        joined = pd.concat(tables, ignore_index=True)
        joined.insert(7, "seed", self.seed)
        joined.insert(
            8, "fold", pd.Series(data.fold if data.protocol is not None else None, joined.index, dtype="Int64")
        )
        return joined.sort_values(["system", "id"], ignore_index=True)

    def _results(self, table: pd.DataFrame, labels: list[str], data: ClipData) -> list[dict[str, Any]]:
        number = {label: place for place, label in enumerate(labels)}
        rows = []
        for names, group in table.groupby(["system", "corpus"], sort=False):
            system, corpus = map(str, names)
            truth, predicted = (group[column].map(number).to_numpy() for column in ("truth", "label"))
            values = scores(confusion_matrix(truth, predicted, len(labels)))
            rows += [self._row(system, corpus, metric, values[metric], len(group), data) for metric in METRICS]
        return rows

    def _measured(self, stage: Evaluation, data: ClipData, clips: int) -> list[dict[str, Any]]:
        """The mean of each metric over the trials in which it could be measured."""
        corpora = "+".join(sorted(set(data.test_rows.get("corpus", pd.Series(dtype=str))))) or data.manifest.parent.name
        return [
            self._row("shared space", corpora, metric, float(np.nanmean(values or [np.nan])), clips, data)
            for metric, values in stage.measured.items()
        ]

    def _row(self, system: str, corpus: str, metric: str, value: float, n: int, data: ClipData) -> dict[str, Any]:
        return {
            "system": system,
            "corpus": corpus,
            "view": data.view.name,
            "metric": metric,
            "seed": self.seed,
            "fold": data.fold if data.protocol is not None else "",
            "value": value,
            "n": n,
        }


def _of_all_ranks(parts: list[ClipScores], trainer: Trainer) -> list[ClipScores]:
    if trainer.world_size == 1:
        return parts
    gathered: list[Any] = [None] * trainer.world_size
    torch.distributed.all_gather_object(gathered, parts)
    return [part for of_rank in gathered for part in of_rank]


def _require_every_row(table: pd.DataFrame, skipped: list[str], expected: pd.Series, manifest: Path) -> None:
    """Count: a number in a table is worth nothing if rows are missing from it, or in it twice."""
    for system, group in table.groupby("system"):
        twice = group["id"][group["id"].duplicated()]
        lost = len(expected) - len(group) - len(skipped)
        if len(twice) or lost:
            raise RuntimeError(f"{system}: {len(twice)} clips predicted twice, {lost} of {len(expected)} not at all")
    if table.empty:
        raise DataError(f"{manifest}: not one of {len(expected)} recordings can be read; see skipped.csv")


def _trials(measured: dict[str, list[float]]) -> pd.DataFrame:
    rows = [(metric, trial, value) for metric, values in measured.items() for trial, value in enumerate(values)]
    return pd.DataFrame(rows, columns=["metric", "trial", "value"])


def _captions(parts: list[ClipScores]) -> dict[str, Any]:
    """Captions and ratings beside the clips, where the shared space was measured."""
    keys = ("caption", "rating") if parts else ()
    return {key: torch.cat([part[key] for part in parts]).float().numpy() for key in keys}  # type: ignore[literal-required]


def _write_embeddings(path: Path, parts: list[ClipScores], stage: Evaluation) -> None:
    text_ME, text_labels, kinds = stage.text_points()
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            audio=torch.cat([part["embedding"] for part in parts]).float().numpy(),
            audio_id=np.array([name for part in parts for name in part["id"]]),
            audio_label=np.array([stage.labels[number] for part in parts for number in part["label"].tolist()]),
            audio_corpus=np.array([corpus for part in parts for corpus in part["corpus"]]),
            **_captions(parts if stage.measures else []),
            text=text_ME.cpu().float().numpy(),
            text_label=np.array(text_labels),
            text_kind=np.array(kinds),
        )
