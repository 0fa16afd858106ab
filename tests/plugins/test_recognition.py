"""A classifier and metrics from outside, through evaluation; a class of one's own that a checkpoint names."""

import re
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest
import torch

from lightning_app.config.plugins import plugins
from lightning_app.config.yaml_file import load_yaml
from lightning_app.predictor import Predictor
from models.clap import Clap
from models.text import TextEncoder
from stages.errors import CheckpointError

CLIPS = ("--data.loading.num_workers=0", "--data.audio.seconds=1.2")


@pytest.fixture(scope="module")
def results(lab, mylab) -> pd.DataFrame:
    run = lab.test("classifier_test", lab.classifier, f"--config={mylab / 'metric.yaml'}")
    return pd.read_csv(run / "results.csv").set_index(["system", "metric"])


def test_a_classifier_is_evaluated(results: pd.DataFrame) -> None:
    assert results.loc[("text-trained classifier", "UA"), "n"] == 24


def test_a_score_of_recognition_stands_beside_the_others(results: pd.DataFrame) -> None:
    found = results.xs("worst recall", level="metric")
    assert set(found.index) == set(results.xs("UA", level="metric").index)
    assert set(found["better"]) == {"higher"}
    assert (found["value"] <= results.xs("UA", level="metric")["value"]).all()


def test_a_metric_of_the_shared_space_says_which_values_are_good(results: pd.DataFrame) -> None:
    row = results.loc[("shared space", "hubness")]
    assert row["better"] == "lower"
    assert 1 / 24 <= row["value"] <= 1


def test_a_checkpoint_that_names_a_class_of_ones_own_says_what_it_asks_for(lab, capsys) -> None:
    words = ["--config=stages/acpt.yaml", f"--model.init_from={lab.clap / 'best.ckpt'}"]
    assert lab.call("fit", *words, plugins=False) == 4
    said = capsys.readouterr().err
    assert "asks for the class mylab.encoder.LogMelStatistics in model.clap.audio" in said
    assert "--trust mylab, --plugins and the folder of its module" in said


@pytest.fixture(scope="module")
def predictions(lab) -> pd.DataFrame:
    run = lab.test("probe_test", lab.probe)
    assert pd.read_csv(run / "results.csv").set_index(["system", "metric"]).loc[("few-shot probe", "UA"), "n"] == 24
    return pd.read_parquet(run / "predictions.parquet").set_index("system")


def test_a_stage_of_ones_own_is_evaluated_by_its_own_recognisers(predictions: pd.DataFrame) -> None:
    texts = predictions.loc["few-shot probe in words"]
    assert set(texts["kind"]) == {"text"}
    assert texts["text"].str.fullmatch(r"sounds \w+, or else \w+").all()


def test_a_stage_of_ones_own_predicts_without_a_trainer(lab, predictions: pd.DataFrame) -> None:
    name = predictions["id"].iloc[0]
    predictor = Predictor.from_checkpoint(lab.probe / "best.ckpt", seconds=1.2, plugins=[Path(__file__).parent])
    found = predictor(lab.recordings / f"{name}.wav")
    tested = predictions.loc["few-shot probe"].query("id == @name").set_index("label")["value"]
    assert found.scores["few-shot probe"] == pytest.approx(tested.to_dict(), abs=1e-6)
    assert (
        found.texts["few-shot probe in words"]
        == predictions.loc["few-shot probe in words"].set_index("id").loc[name, "text"]
    )


def test_a_predictor_runs_no_class_that_nobody_trusts(lab) -> None:
    with pytest.raises(CheckpointError, match=r"mylab\.probe\.FewShotProbe"):
        Predictor.from_checkpoint(lab.probe / "best.ckpt")


def test_weights_that_somebody_published_are_evaluated(lab, mylab: Path, tmp_path: Path) -> None:
    with plugins([mylab.parent], []):
        encoder = import_module("mylab.encoder").LogMelStatistics(width=32)
    settings = load_yaml(lab.text)["init_args"]
    clap = Clap(encoder, TextEncoder(**settings), dim=16)
    theirs = {re.sub(r"^audio\.", "ear.", name): tensor for name, tensor in clap.state_dict().items()}
    torch.save(theirs, tmp_path / "published.pt")
    run = lab.stage(
        "test", "published", "--config=stages/evaluation.yaml", f"--config={mylab / 'corpus.yaml'}",
        f"--config={mylab / 'released.yaml'}", "--model.init_from=null", f"--model.clap.text={lab.text}",
        "--model.clap.dim=16", f"--model.weights.path={tmp_path / 'published.pt'}", f"--data.manifest={lab.manifest}",
        *CLIPS,
    )  # fmt: skip
    assert pd.read_csv(run / "results.csv").set_index(["system", "metric"]).loc[("zero-shot", "UA"), "n"] == 24
