"""The stages as users run them: each from the checkpoint of the one before."""

import csv
import json
import warnings
from pathlib import Path

import pandas as pd
import pytest
import torch

from lightning_app.runs.predictions import answers
from stages.checkpoint import Checkpoint


def parts(path: Path) -> set[str]:
    return {name.split(".")[0] for name in Checkpoint.open(path).content["state_dict"]}


def test_each_checkpoint_holds_its_named_parts_and_no_frozen_text_tower(chain) -> None:
    assert parts(chain.checkpoint("clep")) == {"clap"}
    assert parts(chain.checkpoint("acpt")) == {"clap", "prompt"}
    assert parts(chain.checkpoint("classifier")) == {"clap", "prompt", "classifier"}
    for stage in ("clep", "acpt", "classifier"):
        held = Checkpoint.open(chain.checkpoint(stage)).content
        assert not [name for name in held["state_dict"] if name.startswith("clap.text.")]
        assert list(held["left_out"]) == ["clap.text.model"]


def test_clep_trains_the_audio_tower_and_the_later_stages_leave_clap_alone(chain) -> None:
    clep, acpt, classifier = (
        Checkpoint.open(chain.checkpoint(s)).content["state_dict"] for s in ("clep", "acpt", "classifier")
    )
    for name, tensor in clep.items():
        assert torch.equal(tensor, acpt[name]), name
        assert torch.equal(tensor, classifier[name]), name
    assert torch.equal(acpt["prompt.context_KCLD"], classifier["prompt.context_KCLD"])
    assert acpt["prompt.context_KCLD"].shape == (12, 1, 8, 32)


def test_learned_things_move(chain, command, tmp_path: Path) -> None:
    assert (
        command(
            "fit", "--config", "stages/acpt.yaml", f"--model.init_from={chain.checkpoint('clep')}",
            "--trainer.max_epochs", 1, f"--trainer.default_root_dir={tmp_path}",
        )
        == 0
    )  # fmt: skip
    one, four = (
        Checkpoint.open(p).content["state_dict"]["prompt.context_KCLD"]
        for p in (tmp_path / "best.ckpt", chain.checkpoint("acpt"))
    )
    assert not torch.equal(one, four)


def test_architecture_and_classes_come_from_the_checkpoint(chain) -> None:
    stored = Checkpoint.open(chain.checkpoint("classifier")).content["hyper_parameters"]
    assert stored["clap"]["init_args"]["dim"] == 16
    assert stored["labels"] == ["anger", "happiness", "neutral", "sadness"]
    assert stored["words"] == ["angry", "happy", "neutral", "sad"]


def test_done_json_says_what_ran(chain) -> None:
    done = json.loads((chain.root / "acpt" / "done.json").read_text())
    assert done["command"][:2] == ["lightning-cli", "fit"]
    assert set(done["outputs"]) == {"best.ckpt"}
    assert done["metrics"]["train/loss"] > 0
    assert done["fingerprint"]["inputs"]


def test_learning_curves_have_a_row_for_each_epoch(chain) -> None:
    with (chain.root / "acpt" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2, 3]
    assert all(-1 <= float(row["train/context_cosine"]) <= 1 for row in rows)


@pytest.mark.parametrize(
    ("source", "systems"),
    [
        ("clep", {"zero-shot", "zero-shot ensemble", "zero-shot words"}),
        ("acpt", {"zero-shot", "zero-shot ensemble", "zero-shot words", "ACPT prompts"}),
        (
            "classifier",
            {"zero-shot", "zero-shot ensemble", "zero-shot words", "ACPT prompts", "text-trained classifier"},
        ),
    ],
)
def test_evaluation_predicts_every_test_row_once_with_every_system(
    chain, command, corpus: Path, tmp_path: Path, source: str, systems: set[str], recwarn: pytest.WarningsRecorder
) -> None:
    code = command(
        "test", "--config", "stages/evaluation.yaml", f"--model.init_from={chain.checkpoint(source)}",
        f"--data.manifest={corpus}", "--data.split.disjoint=[speaker]", "--data.loading.batch_size=7",
        "--data.loading.num_workers=0",
        "--data.audio.seconds=1.2", "--data.labels=iemocap4", f"--trainer.default_root_dir={tmp_path}",
    )  # fmt: skip
    assert code == 0
    assert not [warning for warning in recwarn if "of each clip" in str(warning.message)]
    scores = pd.read_parquet(tmp_path / "predictions.parquet")
    predictions = answers(scores)
    manifest = pd.read_csv(corpus)
    expected = sorted(manifest[manifest["split"] == "test"]["id"])
    assert set(predictions["system"]) == systems
    for _, group in predictions.groupby("system"):
        assert sorted(group["id"]) == expected
        truth = group.set_index("id")["truth"]
        assert (truth == manifest.set_index("id")["emotion"].loc[truth.index]).all()
    assert list(scores["label"].unique()) == ["anger", "happiness", "neutral", "sadness"]
    wide = scores.pivot(index=["system", "id"], columns="label", values="value")
    assert (wide.idxmax(axis=1) == predictions.set_index(["system", "id"])["label"].astype(str)).all()
    results = pd.read_csv(tmp_path / "results.csv")
    for system, group in predictions.groupby("system"):
        wa = results[(results["system"] == system) & (results["metric"] == "WA")]["value"].item()
        assert wa == pytest.approx((group["truth"] == group["label"]).mean())


def test_evaluation_on_a_part_of_the_classes_uses_their_columns(chain, command, corpus: Path, tmp_path: Path) -> None:
    code = command(
        "test", "--config", "stages/evaluation.yaml", f"--model.init_from={chain.checkpoint('classifier')}",
        f"--data.manifest={corpus}", "--data.split.disjoint=[speaker]", "--data.loading.num_workers=0",
        "--data.audio.seconds=1.2",
        "--data.labels=[sadness,anger]", f"--trainer.default_root_dir={tmp_path}",
    )  # fmt: skip
    assert code == 0
    predictions = pd.read_parquet(tmp_path / "predictions.parquet")
    assert set(predictions["label"]) <= {"sadness", "anger"}
    assert set(predictions["truth"]) == {"sadness", "anger"}


def test_the_classifier_never_hears_audio(chain, command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def heard(*_: object) -> None:
        raise AssertionError("a text-only stage read audio")

    monkeypatch.setattr("models.audio.cnn14.Cnn14.forward", heard)
    monkeypatch.setattr("soundfile.SoundFile.__init__", heard)
    for stage, source in (("acpt", "clep"), ("classifier", "acpt")):
        code = command(
            "fit", "--config", f"stages/{stage}.yaml", f"--model.init_from={chain.checkpoint(source)}",
            "--trainer.max_epochs=1", f"--trainer.default_root_dir={tmp_path / stage}",
        )  # fmt: skip
        assert code == 0


def test_a_stage_is_tested_without_its_predecessor(chain, command, corpus: Path, tmp_path: Path) -> None:
    copy = tmp_path / "classifier.ckpt"
    copy.write_bytes(chain.checkpoint("classifier").read_bytes())
    code = command(
        "test", "--config", "stages/evaluation.yaml", f"--model.init_from={copy}", f"--data.manifest={corpus}",
        "--data.split.disjoint=[speaker]", "--data.loading.num_workers=0", "--data.audio.seconds=1.2",
        "--data.labels=iemocap4",
        f"--trainer.default_root_dir={tmp_path}",
    )  # fmt: skip
    assert code == 0


def test_softmax_is_the_other_row_of_table_4(chain, command, tmp_path: Path) -> None:
    code = command(
        "fit", "--config", "stages/classifier.yaml", f"--model.init_from={chain.checkpoint('acpt')}",
        "--model.classifier=models.classifier.LinearClassifier", "--model.loss=torch.nn.CrossEntropyLoss",
        "--trainer.max_epochs=2", f"--trainer.default_root_dir={tmp_path}",
    )  # fmt: skip
    assert code == 0
    assert Checkpoint.open(tmp_path / "best.ckpt").content["state_dict"]["classifier.bias"].shape == (4,)


def test_mixed_precision_trains_and_keeps_losses_in_full_precision(command, tiny_yaml: Path, tmp_path: Path) -> None:
    losses = {}
    for precision in ("32-true", "bf16-mixed"):
        folder = tmp_path / precision
        code = command(
            "fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, "--trainer.max_epochs=1",
            f"--trainer.precision={precision}", f"--trainer.default_root_dir={folder}",
            # One step: later ones would differ by what small errors have grown to.
            "--trainer.limit_train_batches=1",
        )  # fmt: skip
        assert code == 0
        with (folder / "metrics.csv").open() as file:
            losses[precision] = [float(row["train/loss"]) for row in csv.DictReader(file) if row["train/loss"]]
    assert losses["bf16-mixed"] == pytest.approx(losses["32-true"], rel=0.05)
    assert losses["bf16-mixed"] != losses["32-true"]


def test_a_speaker_that_the_model_has_heard_is_not_tested(
    chain, command, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "test", "--config", "stages/evaluation.yaml", f"--model.init_from={chain.checkpoint('classifier')}",
        f"--data.manifest={corpus}", "--data.split.protocol=speaker", "--data.split.fold=0",
        "--data.loading.num_workers=0",
        "--data.audio.seconds=1.2", f"--trainer.default_root_dir={tmp_path}",
    ]  # fmt: skip
    assert command(*words, "--data.split.disjoint=[speaker]") == 3
    assert "was trained on 1 of the speakers to be tested: buzz/ann;" in capsys.readouterr().err
    assert command(*words, "--data.split.disjoint=[]") == 0


def test_the_label_set_and_its_merges_go_with_the_checkpoint(chain) -> None:
    checkpoint = Checkpoint.open(chain.checkpoint("classifier"))
    assert checkpoint.label_set == "iemocap4"
    assert checkpoint.training_speakers == {"buzz/ann", "buzz/bob", "buzz/cleo"}


def test_so_does_a_label_set_of_ones_own(chain, command, tmp_path: Path) -> None:
    content = torch.load(chain.checkpoint("clep"), weights_only=True)
    mine = {"name": "mine", "labels": content["hyper_parameters"]["labels"], "merge": {"frustration": "anger"}}
    torch.save({**content, "label_set": mine}, tmp_path / "mine.ckpt")
    words = ["fit", "--config", "stages/acpt.yaml", f"--model.init_from={tmp_path / 'mine.ckpt'}"]
    assert command(*words, "--trainer.max_epochs=1", f"--trainer.default_root_dir={tmp_path / 'acpt'}") == 0
    assert Checkpoint.open(tmp_path / "acpt" / "last.ckpt").label_set == mine


def test_another_length_than_in_training_is_said(chain, command, corpus: Path, tmp_path: Path) -> None:
    """Also by a stage that has seen no clip itself: what it started from has. Random crops are meant to be shorter."""
    held = Checkpoint.open(chain.checkpoint("acpt")).content
    assert (held["crop"], held["seconds"]) == ("random", 1.2)
    for crop, warned in (("random", []), ("middle", ["was trained on 1.2 s of each clip and now hears 2 s"])):
        source = tmp_path / f"{crop}.ckpt"
        torch.save({**held, "crop": crop}, source)
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            code = command(
                "test", "--config", "stages/evaluation.yaml", f"--model.init_from={source}",
                f"--data.manifest={corpus}", "--data.split.disjoint=[speaker]", "--data.loading.num_workers=0",
                "--data.audio.seconds=2",
                f"--trainer.default_root_dir={tmp_path / crop}",
            )  # fmt: skip
        assert code == 0
        said = [str(warning.message) for warning in heard if str(source) in str(warning.message)]
        assert [text.removeprefix(f"{source} ").partition(";")[0] for text in said] == warned


def test_a_test_at_another_rate_or_on_the_speakers_that_chose_the_checkpoint_is_warned_of(
    chain, command, corpus: Path, tmp_path: Path
) -> None:
    held = Checkpoint.open(chain.checkpoint("classifier")).content
    assert (held["sample_rate"], held["selection_speakers"]) == (16000, ["buzz/dan"])
    manifest = pd.read_csv(corpus)
    manifest.loc[manifest["speaker"] == "dan", "split"] = "test"
    path = corpus.with_name("dev_is_tested.csv")
    manifest.to_csv(path, index=False)
    words = [
        "test", "--config", "stages/evaluation.yaml", f"--model.init_from={chain.checkpoint('classifier')}",
        "--data.split.disjoint=[speaker]", "--data.loading.num_workers=0", "--data.audio.seconds=1.2",
    ]  # fmt: skip
    with warnings.catch_warnings(record=True) as quiet:
        warnings.simplefilter("always")
        assert command(*words, f"--data.manifest={corpus}", f"--trainer.default_root_dir={tmp_path / 'same'}") == 0
    assert not [warned for warned in quiet if str(chain.checkpoint("classifier")) in str(warned.message)]
    words += [f"--data.manifest={path}", f"--trainer.default_root_dir={tmp_path / 'other'}"]
    with (
        pytest.warns(UserWarning, match=r"classifier/best\.ckpt was trained at 16000 Hz and now hears 32000 Hz"),
        pytest.warns(UserWarning, match=r"was chosen by its scores on 1 of the speakers to be tested: buzz/dan; "),
    ):
        assert command(*words, "--data.audio.sample_rate=32000") == 0
