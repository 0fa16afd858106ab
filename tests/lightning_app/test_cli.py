"""The command line as a whole: verbs, exit codes, interruption, and what each verb leaves behind."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from lightning_app.cli import LIGHTNING_VERBS, VERBS, main
from lightning_app.runs.predictions import answers

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "lightning_app"]
HERE = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
QUIET = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false", "--trainer.accelerator=cpu"]


def evaluate(verb: str, checkpoint: Path, manifest: Path, folder: Path) -> list[object]:
    return [
        verb, "--config", "stages/evaluation.yaml", f"--model.init_from={checkpoint}", f"--data.manifest={manifest}",
        "--data.split.disjoint=[speaker]", "--data.loading.num_workers=0", "--data.audio.seconds=1.2",
        "--data.labels=iemocap4",
        f"--trainer.default_root_dir={folder}",
    ]  # fmt: skip


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_help_names_every_verb(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    said = capsys.readouterr().out
    assert all(f"\n  {verb} " in said for verb in (*VERBS, *LIGHTNING_VERBS))


@pytest.mark.parametrize("verb", [*VERBS, "fit", "predict"])
def test_help_of_a_verb(verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["lightning-cli", verb, "--help"])
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr()
    assert "usage:" in said.out
    assert said.err == ""


@pytest.mark.parametrize(
    ("verb", "hint"), [("fitt", "; did you mean fit?"), ("chian", "; did you mean chain?"), ("xyz", "report")]
)
def test_unknown_verb(verb: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"lightning-cli: error: no verb '{verb}'; expected fit, validate,")
    assert said.rstrip().endswith(hint)


def test_a_mistake_is_one_message_and_debugging_shows_where(tmp_path: Path) -> None:
    words = [*PROGRAM, "fit", "--config", "stages/clep.yaml", "--data.labels=demo7", *QUIET]
    quiet, loud = (
        subprocess.run(words, cwd=tmp_path, env={**HERE, **more}, capture_output=True, text=True, check=False)
        for more in ({}, {"EMOCLAP_DEBUG": "1"})
    )
    assert quiet.returncode == 3
    assert quiet.stderr.strip().splitlines()[-1].startswith("lightning-cli fit: error: ")
    assert "Traceback" not in quiet.stderr
    assert loud.returncode != 0
    assert "Traceback" in loud.stderr
    assert "DataError" in loud.stderr


def test_a_bug_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(arguments: list[str]) -> int:
        raise IndexError("ours")

    monkeypatch.setattr("lightning_app.commands.stage.run_stage", bug)
    with pytest.raises(IndexError):
        main(["fit"])


def test_installed_configs_are_found_from_any_folder(chain, tmp_path: Path) -> None:
    words = [*PROGRAM, "fit", "--config", "stages/acpt.yaml", f"--model.init_from={chain.checkpoint('clep')}"]
    done = subprocess.run(
        [*words, "--trainer.max_epochs=1", *QUIET], cwd=tmp_path, env=HERE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "acpt" / "done.json").is_file()


def test_the_first_command_in_an_empty_folder_says_what_comes_before(tmp_path: Path) -> None:
    done = subprocess.run(
        [*PROGRAM, "fit", "--config", "stages/acpt.yaml"],
        cwd=tmp_path, env=HERE, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 4
    assert done.stderr == (
        "lightning-cli fit: error: model.init_args.init_from: runs/clep/best.ckpt is not there; "
        "make it first: lightning-cli fit --config stages/clep.yaml\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_with_130_and_no_mark_of_success(tiny_yaml: Path, tmp_path: Path) -> None:
    words = ["fit", "--config", "stages/clep.yaml", "--config", str(tiny_yaml), "--trainer.max_epochs=100000", *QUIET]
    process = subprocess.Popen(
        [*PROGRAM, *words, f"--trainer.default_root_dir={tmp_path}"],
        cwd=ROOT, env=HERE, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        # A shell that runs the tests in the background has them ignore the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    deadline = time.monotonic() + 600
    while not (tmp_path / "last.ckpt").is_file() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    goes_on = f"lightning-cli fit: error: interrupted; the same command goes on from {tmp_path}/last.ckpt"
    assert said.rstrip().endswith(goes_on)
    assert "Traceback" not in said
    assert not (tmp_path / "done.json").exists()


def test_ctrl_c_before_training(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(arguments: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("lightning_app.commands.stage.run_stage", interrupted)
    assert main(["fit"]) == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["prepare", "demo", "--out", "file/m.csv"],
        ["prepare", "table", "mine.csv", "--out", "/proc/none/m.csv"],
        ["report", "--runs", "runs", "--out", "file/report.html"],
        ["chain", "--config", "chain.yaml"],
    ],
)
def test_a_path_that_cannot_be_written_is_one_sentence(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], corpus: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("chain.yaml").write_text("runs: file/runs\nstages: {a: {verb: prepare, args: [demo], output: file/m.csv}}\n")
    Path("mine.csv").write_text(f"path,emotion\n{corpus.parent}/ann_anger_0.wav,anger\n")
    Path("runs").mkdir()
    Path("runs/results.csv").write_text(
        "system,corpus,label_set,kind,metric,better,seed,fold,value,n\na,b,six,score,UA,higher,1,,0.5,10\n"
    )
    assert main(words) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"lightning-cli {words[0]}: error: ")
    assert "file" in said or "/proc/none" in said


def test_a_disk_that_is_full_ends_the_run_with_one_sentence(
    command, tiny_yaml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("lightning_app.runs.checkpoint_io.torch.save", full)
    words = ["fit", "--config", "stages/clep.yaml", "--config", tiny_yaml, "--trainer.limit_train_batches=1"]
    assert command(*words, "--trainer.limit_val_batches=0", f"--trainer.default_root_dir={tmp_path}") == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(
        f"lightning-cli fit: error: {tmp_path}/last.ckpt: cannot be written: No space left on device ("
    )
    assert f"MB free in {tmp_path}); make room and run the command again; what was saved before is whole" in said
    assert not list(tmp_path.glob("*.ckpt"))
    assert not (tmp_path / "done.json").exists()


def test_a_chain_whose_reader_has_gone_ends_quietly(tmp_path: Path) -> None:
    chain = ROOT / "configs/chains/emotionrankclap.yaml"
    process = subprocess.Popen(
        [*PROGRAM, "chain", "--config", str(chain), "--dry-run"],
        cwd=tmp_path, env=HERE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(300) == 141


def test_validate_leaves_the_run_as_it_was(chain, command, tiny_yaml: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = chain.root / "clep"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    capsys.readouterr()
    code = command(
        "validate", "--config", "stages/clep.yaml", "--config", tiny_yaml, f"--ckpt_path={folder / 'best.ckpt'}",
        f"--trainer.default_root_dir={folder}",
    )  # fmt: skip
    said = capsys.readouterr()
    assert code == 0
    assert "val/UA" in said.out
    assert "the checkpoint was made with" not in said.err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_predict_needs_no_emotions(chain, command, corpus: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(corpus)[["path"]]
    manifest = tmp_path / "mine.csv"
    rows.assign(path=[corpus.parent / name for name in rows["path"]]).to_csv(manifest, index=False)
    code = command(*evaluate("predict", chain.checkpoint("classifier"), manifest, tmp_path / "run"))
    assert code == 0
    predictions = answers(pd.read_parquet(tmp_path / "run" / "predictions.parquet"))
    assert predictions["truth"].isna().all()
    assert set(predictions["label"]) <= {"anger", "happiness", "neutral", "sadness"}
    for _, group in predictions.groupby("system"):
        assert sorted(group["id"]) == sorted(Path(name).stem for name in rows["path"])
    assert not (tmp_path / "run" / "results.csv").exists()
    assert command(*evaluate("test", chain.checkpoint("classifier"), manifest, tmp_path / "test")) == 3


def test_predict_and_test_agree_and_predict_reads_other_emotions_too(
    chain, command, corpus: Path, tmp_path: Path
) -> None:
    rows = pd.read_csv(corpus)
    rows["path"] = [corpus.parent / name for name in rows["path"]]
    tested = rows.index[rows["split"] == "test"]
    rows.loc[tested[:2], "emotion"] = ["boredom", ""]
    manifest = tmp_path / "some.csv"
    rows.to_csv(manifest, index=False)
    tables = {}
    for verb in ("test", "predict"):
        assert command(*evaluate(verb, chain.checkpoint("clep"), manifest, tmp_path / verb)) == 0
        predictions = pd.read_parquet(tmp_path / verb / "predictions.parquet")
        tables[verb] = predictions.astype({"truth": object}).set_index(["system", "id", "label"])
    extra = {name for _, name, _ in tables["predict"].index.difference(tables["test"].index)}
    assert extra == set(rows.loc[tested[:2], "id"])
    assert tables["predict"]["truth"].isna().sum() == 2 * 3 * 4
    shared = tables["predict"].loc[tables["test"].index]
    pd.testing.assert_frame_equal(
        shared, tables["test"], check_dtype=False, check_categorical=False, rtol=1e-4, atol=1e-5
    )


def test_the_report_says_which_extra_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("lightning_app.commands.report.find_spec", lambda name: None)
    assert main(["report", "--runs", str(tmp_path)]) == 4
    assert 'pip install "emoclap[report]"' in capsys.readouterr().err
