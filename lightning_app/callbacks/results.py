"""Tables of an evaluation's metrics: results.csv from its predictions, trials.csv from those of the shared space."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from datamodules.clips.data import ClipData
from lightning_app.runs.predictions import RATING, SCORE, answers
from lightning_app.runs.results import COLUMNS, SPACE
from stages.evaluation import Evaluation
from stages.metrics import RATING_SCORES, Better, Trials, confusion_matrix


class _Metric(NamedTuple):
    """The columns of results.csv that differ from row to row."""

    system: str
    corpus: str
    kind: str
    metric: str
    better: Better
    value: float
    n: int


def result_table(predictions: pd.DataFrame, stage: Evaluation, data: ClipData, seed: int) -> pd.DataFrame:
    """Compute the scores of each system on each corpus, and the means of the metrics of the shared space.

    Args:
        predictions: The table of predictions.parquet.
        stage: The evaluation, with its scores and its trials.
        data: The tested clips.
        seed: The run's.

    Returns:
        A row per system, corpus and metric, with ``lightning_app.runs.results.COLUMNS``.
    """
    clips = predictions["id"].nunique()
    metrics = [
        *_class_scores(predictions, stage),
        *_rating_scores(predictions),
        *_space_metrics(stage, data, clips),
    ]
    fold = data.split.fold if data.split.protocol is not None else ""
    table = pd.DataFrame(metrics, columns=list(_Metric._fields))
    return table.assign(label_set=data.label_set.name, seed=seed, fold=fold)[list(COLUMNS)]


def trial_table(measured: Mapping[str, Trials]) -> pd.DataFrame:
    """List the value of each trial of each metric of the shared space."""
    rows = [(metric, trial, value) for metric, trials in measured.items() for trial, value in enumerate(trials.values)]
    return pd.DataFrame(rows, columns=["metric", "trial", "value"])


def _class_scores(predictions: pd.DataFrame, stage: Evaluation) -> list[_Metric]:
    """The scores of each system that recognizes classes, on each corpus."""
    index_of = {label: index for index, label in enumerate(stage.labels)}
    found = []
    for names, group in answers(predictions).groupby(["system", "corpus"], sort=False, observed=True):
        system, corpus = map(str, names)
        truth_N = group["truth"].astype(object).map(index_of).to_numpy()
        predicted_N = group["label"].astype(object).map(index_of).to_numpy()
        confusion = confusion_matrix(truth_N, predicted_N, len(index_of))
        for score in stage.scores:
            value = score.of(confusion)
            found.append(_Metric(system, corpus, SCORE, score.name, score.better, value, len(group)))
    return found


def _rating_scores(predictions: pd.DataFrame) -> list[_Metric]:
    """The agreement of each system with the raters, on each dimension of each corpus."""
    found = []
    ratings = predictions[predictions["kind"] == RATING]
    for names, group in ratings.groupby(["system", "corpus", "label"], sort=False, observed=True):
        system, corpus, dimension = map(str, names)
        rated = group[group["true_value"].notna()]
        predicted_N = rated["value"].to_numpy()
        true_N = rated["true_value"].to_numpy()
        for score in RATING_SCORES:
            value = score.of(predicted_N, true_N)
            found.append(_Metric(system, corpus, RATING, f"{score.name} {dimension}", score.better, value, len(rated)))
    return found


def _space_metrics(stage: Evaluation, data: ClipData, clips: int) -> list[_Metric]:
    """The mean of each metric of the shared space over the trials in which it could be measured."""
    corpora = sorted(set(data.table.test.get("corpus", pd.Series(dtype=str))))
    corpus = "+".join(corpora) or data.manifest.parent.name
    found = []
    for metric, trials in stage.measured.items():
        mean = float(np.nanmean(trials.values or [np.nan]))
        found.append(_Metric("shared space", corpus, SPACE, metric, trials.better, mean, clips))
    return found
