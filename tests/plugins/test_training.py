"""An encoder, captions and losses from outside, in stages that know none of them."""

import pandas as pd

from stages.checkpoint import Checkpoint


def test_a_stage_trains_the_encoder(lab) -> None:
    found = Checkpoint.open(lab.clap / "best.ckpt")
    assert found.config("clap.audio") == {
        "class_path": "mylab.encoder.LogMelStatistics",
        "init_args": {"width": 32, "mels": 40},
    }
    assert found.holds("clap.audio.network")


def test_captions_are_written_and_kept_beside_the_run(lab) -> None:
    captions = pd.read_csv(lab.clap / "captions.csv")
    assert "a happy voice, recorded in the studio" in set(captions["caption"])
    assert captions["caption"].str.contains("voice, recorded in the").all()


def test_a_loss_on_known_fields(lab, corpus, mylab) -> None:
    run = lab.pretrain(
        "rating_targets", f"--config={mylab / 'loss.yaml'}", f"--data.manifest={corpus}", "--data.split={}"
    )
    losses = pd.read_csv(run / "metrics.csv")["train/loss"].dropna()
    assert losses.between(0.1, 10).all()


def test_a_loss_on_known_fields_asks_for_them(lab, mylab, capsys) -> None:
    words = ["--config=stages/clep.yaml", f"--config={mylab / 'corpus.yaml'}", f"--config={mylab / 'loss.yaml'}"]
    assert lab.call("fit", *words, f"--data.manifest={lab.manifest}") == 3
    assert "column 'valence' is empty or missing in 72 of 72 rows" in capsys.readouterr().err
