"""A stage from outside: trained, handed on, evaluated, and asked without a trainer."""

from pathlib import Path

import pandas as pd
import pytest

from emoclap import Predictor


@pytest.fixture(scope="module")
def supervised(lab, mylab: Path) -> Path:
    """The run folder of the lab's stage."""
    return lab.stage(
        "fit", "supervised", f"--config={mylab / 'stage.yaml'}", f"--config={mylab / 'corpus.yaml'}",
        f"--data.manifest={lab.manifest}", "--data.loading.num_workers=0", "--data.audio.seconds=1.2",
        "--data.loading.batch_size=12", "--trainer.max_epochs=1",
    )  # fmt: skip


def test_it_is_evaluated_and_predicts_the_same_without_a_trainer(lab, supervised: Path, tmp_path: Path) -> None:
    run = lab.test("supervised_test", supervised)
    results = pd.read_csv(run / "results.csv")
    assert set(results["system"]) == {"supervised"}
    assert {"UA", "WA"} <= set(results["metric"])
    predicted = pd.read_parquet(run / "predictions.parquet")
    manifest = pd.read_csv(lab.manifest).set_index("id")
    name = predicted["id"].iloc[0]
    expected = predicted[predicted["id"] == name].set_index("label")["value"]
    predictor = Predictor.from_checkpoint(
        supervised / "best.ckpt", seconds=1.2, trust=["mylab"], plugins=[Path(__file__).parent]
    )
    found = predictor(lab.manifest.parent / manifest.loc[name, "path"])
    assert found.units == {"supervised": "logit"}
    assert found.scores["supervised"] == pytest.approx(expected.to_dict(), abs=1e-6)


def test_its_tower_is_handed_to_an_audio_text_model(lab, supervised: Path) -> None:
    source = supervised / "best.ckpt"
    run = lab.pretrain("clap_on_supervised", f'--model.init_from={{"clap.audio": "{source}:audio"}}')
    assert (run / "best.ckpt").is_file()
