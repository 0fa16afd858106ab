"""A classifier and metrics from outside, through evaluation; a class of one's own that a checkpoint names."""

import pandas as pd
import pytest


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
