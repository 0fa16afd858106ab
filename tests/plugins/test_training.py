"""An encoder, captions and losses from outside, in stages that know none of them."""

import pandas as pd
import pytest
import torch

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


def test_a_loss_on_a_further_text(lab, mylab) -> None:
    run = lab.pretrain("say_anything", f"--config={mylab / 'text_loss.yaml'}")
    assert pd.read_csv(run / "metrics.csv")["train/loss"].dropna().between(0.1, 10).all()
    assert set(pd.read_csv(run / "captions.csv")["transcript"]) == {
        "the dog barked",
        "it rained all day",
        "we left at noon",
    }


def test_a_loss_on_a_further_text_asks_for_it(lab, mylab, capsys) -> None:
    words = [f"--config={mylab / 'text_loss.yaml'}", "--data.texts.transcript=null"]
    with pytest.raises(AssertionError):
        lab.pretrain("no_transcript", *words)
    assert (
        "the loss needs transcript of each clip; the data have none: write it by data.texts.transcript"
        in capsys.readouterr().err
    )


def test_a_loss_on_a_further_column(lab, mylab) -> None:
    run = lab.pretrain("within_speaker", f"--config={mylab / 'column_loss.yaml'}")
    assert pd.read_csv(run / "metrics.csv")["train/loss"].dropna().between(0.1, 10).all()


def test_a_loss_on_a_further_column_asks_for_it(lab, mylab, capsys) -> None:
    with pytest.raises(AssertionError):
        lab.pretrain("no_column", f"--config={mylab / 'column_loss.yaml'}", "--data.columns=[]")
    assert "the loss needs the column speaker of each clip; add it to data.columns" in capsys.readouterr().err
    with pytest.raises(AssertionError):
        lab.pretrain("no_such_column", f"--config={mylab / 'column_loss.yaml'}", "--data.columns=[hall]")
    assert "has no column 'hall', which data.columns names" in capsys.readouterr().err


def test_a_stage_of_ones_own_starts_from_another_and_says_whom_it_heard(lab) -> None:
    before, after = (Checkpoint.open(run / "best.ckpt") for run in (lab.clap, lab.probe))
    assert after.stage == "mylab.probe.FewShotProbe"
    assert set(after.parts) == {"clap", "probe"}
    assert after.training_speakers == before.training_speakers != set()
    assert (after.seconds, after.sample_rate) == (1.2, 16000)
    weights = after.content["state_dict"]
    assert all(torch.equal(tensor, weights[name]) for name, tensor in before.content["state_dict"].items())
    losses = pd.read_csv(lab.probe / "metrics.csv")["train/loss"].dropna()
    assert losses.iloc[-1] < losses.iloc[0]


def test_nobody_is_tested_whom_data_of_ones_own_have_trained_on(lab, mylab, capsys) -> None:
    run = lab.stage(
        "fit", "probe_of_other_speakers", f"--config={mylab / 'probe.yaml'}",
        f"--model.init_from={lab.clap / 'best.ckpt'}", f"--data.manifest={lab.manifest}", "--data.split.fold=1",
        "--data.audio.seconds=1.2", "--trainer.max_epochs=1",
    )  # fmt: skip
    before, after = (Checkpoint.open(each / "best.ckpt") for each in (lab.clap, run))
    assert after.training_speakers > before.training_speakers
    capsys.readouterr()
    with pytest.raises(AssertionError):
        lab.test("refused", run)
    assert "of the speakers to be tested" in capsys.readouterr().err
