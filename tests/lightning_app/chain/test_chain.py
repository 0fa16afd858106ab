import csv
import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lightning_app.config.command_line import said
from lightning_app.errors import ConfigError, StageError
from lightning_app.runs.fingerprint import command_fingerprint
from lightning_app.runs.folder import in_use
from lightning_app.runs.records import read_done, write_done

ALL = [
    "prepare",
    "clep/seed=1",
    "classifier/seed=1,loss=arcface",
    "evaluation/seed=1,loss=arcface",
    "classifier/seed=1,loss=softmax",
    "evaluation/seed=1,loss=softmax",
    "clep/seed=2",
    "classifier/seed=2,loss=arcface",
    "evaluation/seed=2,loss=arcface",
    "classifier/seed=2,loss=softmax",
    "evaluation/seed=2,loss=softmax",
]
ALONE = "runs: runs\nstages:\n  clep: {verb: fit, config: stages/clep.yaml}\n"


def test_cells_share_what_they_have_in_common_and_nothing_runs_twice(done_matrix: Any) -> None:
    assert done_matrix.folders() == ALL
    assert done_matrix() == 0
    assert done_matrix.folders() == []


def test_the_command_is_what_a_person_would_type(done_matrix: Any) -> None:
    assert done_matrix.launches()[2] == [
        "fit",
        "--config",
        "stages/classifier.yaml",
        "--model.init_args.init_from=runs/clep/seed=1/best.ckpt",
        "--seed_everything=1",
        "--model.init_args.loss=A",
        "--trainer.default_root_dir=runs/classifier/seed=1,loss=arcface",
    ]


def test_a_stage_run_by_hand_counts(toy: Any) -> None:
    toy.write(ALONE)
    line = ["fit", "--config=stages/clep.yaml", "--trainer.default_root_dir", "runs/clep"]
    Path("runs/clep").mkdir(parents=True)
    write_done(
        Path("runs/clep"),
        command=line,
        fingerprint=command_fingerprint("fit", said(line[1:])),
        started=datetime.now().astimezone(),
    )
    assert toy() == 0
    assert toy.launches() == []


def test_a_changed_first_stage_runs_all_that_follows(done_line: Any) -> None:
    done_line("--set", "clep.trainer.max_epochs=3")
    assert done_line.folders() == ["clep", "classifier", "evaluation"]


def test_a_changed_last_stage_runs_alone(done_line: Any) -> None:
    Path("stages/evaluation.yaml").write_text("model: {class_path: stages.evaluation.X, init_args: {view: 6}}\n")
    done_line()
    assert done_line.folders() == ["evaluation"]


def test_a_new_value_of_an_axis_runs_its_cells_only(done_matrix: Any) -> None:
    done_matrix.launches()
    done_matrix.write(Path("chain.yaml").read_text().replace("[1, 2]", "[1, 2, 3]"))
    done_matrix()
    assert done_matrix.folders() == [name.replace("seed=1", "seed=3") for name in ALL[1:6]]


def test_an_input_that_changed_is_named(toy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    toy.write(ALONE)
    Path("data").mkdir()
    Path("data/manifest.csv").write_text("1")
    toy()
    Path("data/manifest.csv").write_text("2")
    capsys.readouterr()
    toy("--dry-run")
    assert "clep   -     run    input data/manifest.csv changed" in capsys.readouterr().out


def test_equal_outputs_stop_the_rebuild(done_line: Any) -> None:
    Path("data/manifest.csv").unlink()
    done_line()
    assert done_line.folders() == ["prepare"]


def test_a_changed_output_runs_again(done_line: Any, capsys: pytest.CaptureFixture[str]) -> None:
    Path("runs/clep/best.ckpt").write_text("something else")
    done_line("--dry-run")
    assert "output best.ckpt was changed" in capsys.readouterr().out
    done_line()
    assert done_line.folders() == ["clep"]  # which restores what the classifier started from


def test_crash_and_continue(line: Any, capsys: pytest.CaptureFixture[str]) -> None:
    Path("crash_classifier").write_text("1")
    with pytest.raises(
        StageError, match=r"stage classifier failed with code 1; see runs/classifier/log\.txt"
    ) as caught:
        line()
    assert caught.value.exit_code == 1
    assert line.folders() == ["prepare", "clep", "classifier"]
    Path("crash_classifier").unlink()
    capsys.readouterr()
    line("--dry-run")
    out = capsys.readouterr().out
    assert "classifier  -     resume  stopped before the end (last.ckpt)" in out
    assert "evaluation  -     run     classifier runs before it" in out
    line()
    lines = line.launches()
    assert [line[-1] for line in lines] == [
        "--trainer.default_root_dir=runs/classifier",
        "--trainer.default_root_dir=runs/evaluation",
    ]
    assert line() == 0
    assert line.launches() == []


def test_after_a_crash_another_configuration_starts_afresh(line: Any) -> None:
    Path("crash_clep").write_text("1")
    with pytest.raises(StageError):
        line()
    Path("crash_clep").unlink()
    line.launches()
    line("--set", "clep.model.dim=3")
    assert not any(word.startswith("--ckpt_path") for line in line.launches() for word in line)


def test_a_fresh_start_leaves_no_checkpoint_of_other_settings(done_line: Any) -> None:
    Path("runs/clep/hpc_ckpt_1.ckpt").touch()  # which Lightning would continue from
    done_line("--until", "clep", "--set", "clep.model.dim=3")
    assert sorted(path.name for path in Path("runs/clep").glob("*.ckpt")) == ["best.ckpt", "last.ckpt"]


def test_a_new_run_that_fails_leaves_the_old_one(done_line: Any) -> None:
    old = Path("runs/clep/best.ckpt").read_text()
    Path("runs/clep/hpc_ckpt_1.ckpt.sha256").touch()
    Path("crash_clep").write_text("1")
    with pytest.raises(StageError):
        done_line("--set", "clep.model.dim=3")
    assert Path("runs/clep/previous/best.ckpt").read_text() == old
    assert not Path("runs/clep/hpc_ckpt_1.ckpt.sha256").exists()
    Path("crash_clep").unlink()
    done_line("--set", "clep.model.dim=3")
    assert not Path("runs/clep/previous").exists()


def test_a_folder_in_use_is_left_alone(done_line: Any) -> None:
    with in_use(Path("runs/clep")), pytest.raises(ConfigError, match="another command works in this folder: process"):
        done_line("--set", "clep.model.dim=3")
    assert Path("runs/clep/best.ckpt").exists()
    assert done_line.launches() == []


@pytest.mark.parametrize("code", [2, 3, 4])
def test_the_stages_code_is_the_chains(line: Any, code: int) -> None:
    Path("crash_clep").write_text(str(code))
    with pytest.raises(StageError) as caught:
        line()
    assert caught.value.exit_code == code
    assert "alone it is: lightning-cli fit --config stages/clep.yaml" in str(caught.value)


def test_preemption(line: Any) -> None:
    Path("crash_clep").write_text("143")
    with pytest.raises(StageError, match="preempted in stage clep; run the same command again to resume") as caught:
        line()
    assert caught.value.exit_code == 143


def test_exit_0_without_done_is_no_success(line: Any) -> None:
    Path("silent_clep").touch()
    with pytest.raises(StageError, match=r"without runs/clep/done\.json.*See runs/clep/log\.txt") as caught:
        line()
    assert caught.value.exit_code == 1


def test_rows_left_out_are_told_at_the_end(line: Any) -> None:
    Path("skip_clep").touch()
    assert line() == 5
    assert line() == 0


def test_prepare_gets_its_done_from_the_chain(line: Any) -> None:
    line("--until", "corpus")
    done = read_done(Path("runs/corpus"))
    assert done is not None
    assert done.command[-3:] == ["demo", "--out", "data/manifest.csv"]
    assert list(done.outputs) == ["../../data/manifest.csv"]
    assert line.folders() == ["prepare"]
    line("--until", "corpus")
    assert line.folders() == []


def test_prepare_that_fails_is_not_done(line: Any) -> None:
    Path("crash_prepare").write_text("3")
    with pytest.raises(StageError) as caught:
        line()
    assert caught.value.exit_code == 3
    assert read_done(Path("runs/corpus")) is None


def test_prepare_without_its_output_is_not_done(line: Any) -> None:
    line.write(Path("chain.yaml").read_text().replace("output: data/manifest.csv", "output: data/other.csv"))
    with pytest.raises(StageError, match=r"ended without its output data/other\.csv"):
        line("--until", "corpus")


def test_until_from_force(line: Any) -> None:
    line("--until", "classifier")
    assert line.folders() == ["prepare", "clep", "classifier"]
    line("--from", "classifier")
    assert line.folders() == ["classifier", "evaluation"]
    line("--from", "clep", "--until", "clep")
    assert line.folders() == ["clep"]
    line("--force")
    assert line.folders() == ["prepare", "clep", "classifier", "evaluation"]
    with pytest.raises(ConfigError, match="--until nothing: there is no such stage"):
        line("--until", "nothing")


def test_dry_run_does_nothing(toy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(Path().rglob("*"))
    assert toy("--dry-run") == 0
    assert sorted(Path().rglob("*")) == before
    out = capsys.readouterr().out
    assert out.splitlines()[2] == "clep        seed=1               run    corpus runs before it"
    assert "11 to run, 0 done" in out


def test_results_are_gathered(done_matrix: Any) -> None:
    rows = list(csv.DictReader(Path("runs/results.csv").read_text().splitlines()))
    columns = ["system", "corpus", "label_set", "kind", "metric", "better", "seed", "fold", "value", "n", "loss"]
    assert list(rows[0]) == columns
    assert len(rows) == 8
    assert {(row["seed"], row["loss"]) for row in rows} == {
        (seed, loss) for seed in "12" for loss in ("arcface", "softmax")
    }


def test_report_follows(line: Any) -> None:
    line.write(Path("chain.yaml").read_text() + "report: {title: A title}\n")
    line("--until", "clep")
    assert not Path("report.txt").exists()
    line()
    assert json.loads(Path("report.txt").read_text()) == ["report", "--runs", "runs", "--title=A title"]


def test_the_log_keeps_what_the_stage_said_and_it_is_shown(line: Any, capfd: Any) -> None:
    line()
    assert Path("runs/clep/log.txt").read_text() == "hello from fit\n"
    out, err = capfd.readouterr()
    assert out.count("hello from fit") == 2
    assert "[2/4] clep  (runs/clep: corpus runs before it)" not in err  # the reason as it is when the stage starts
    assert "[2/4] clep  (runs/clep: never run)" in err
    assert "[4/4] evaluation: finished in" in err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--set", "clep"], "--set clep: expected STAGE.KEY=VALUE"),
        (["--set", "clap.x=1"], "there is no stage 'clap'"),
        (["--set", "*.data.gone=1"], r"`\*` with data.gone: no stage takes this key"),
        (["--set", "clep.from=nobody"], "clep.from: 'nobody' is no stage with weights; expected one of: classifier"),
        (["--set", "clep.from=corpus"], "clep.from: 'corpus' is no stage with weights"),
    ],
)
def test_wrong_overrides(toy: Any, words: list[str], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        toy(*words)
    assert toy.launches() == []


def test_set_reaches_every_stage_that_has_the_key(line: Any) -> None:
    Path("stages/evaluation.yaml").write_text("model: {class_path: stages.evaluation.X}\n")
    line("--set", "*.data.init_args.n=3", "--set", "classifier.data.init_args.n=4")
    words = [[word for word in line if word.startswith("--data")] for line in line.launches()]
    assert words == [[], ["--data.init_args.n=3"], ["--data.init_args.n=4"], []]


CLI = """
import sys
from jsonargparse import ArgumentParser
from lightning_app.commands.chain import add_arguments, run
from lightning_app.chain.launch import Local
from lightning_app.chain.reading import Answer
from lightning_app.config.command_line import said
read = lambda questions: [Answer(said(question.words[1:])) for question in questions]
parser = ArgumentParser()
add_arguments(parser)
try:
    code = run(parser.parse_args(["--config", "chain.yaml"]), Local([sys.executable, "stage.py"]), read)
except Exception as error:
    print(error, file=sys.stderr)
    code = error.exit_code
print("torch" in sys.modules, "pandas" in sys.modules)
sys.exit(code)
"""


def _wait_for(path: Path) -> None:
    until = time.monotonic() + 300
    while not path.exists():
        assert time.monotonic() < until, f"{path} did not appear"
        time.sleep(0.02)


def test_a_whole_chain_imports_neither_torch_nor_pandas(line: Any) -> None:
    done = subprocess.run([sys.executable, "-c", CLI], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False False"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_reaches_the_stage_and_ends_the_chain(line: Any, number: int, code: int) -> None:
    Path("hold_clep").touch()
    # A test run in the background of a shell ignores Ctrl-C, and so would everything that it starts.
    heeded = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(
        [sys.executable, "-c", CLI], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, preexec_fn=heeded
    )
    _wait_for(Path("runs/clep/last.ckpt"))
    process.send_signal(number)
    _, err = process.communicate(timeout=300)
    assert process.returncode == code
    assert "in stage clep; run the same command again to resume" in err


def test_a_second_chain_is_refused_and_a_killed_one_is_no_obstacle(line: Any) -> None:
    Path("hold_clep").touch()
    process = subprocess.Popen([sys.executable, "-c", CLI], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _wait_for(Path("runs/clep/last.ckpt"))
    refusal = rf"another chain runs here: process {process.pid} on {os.uname().nodename}, since 0 min"
    with pytest.raises(ConfigError, match=refusal):
        line()
    process.kill()
    process.wait()
    with pytest.raises(ConfigError, match=refusal):
        line()  # its stage is still at work
    Path("hold_clep").unlink()
    _wait_for(Path("runs/clep/done.json"))
    line.launches()
    until = time.monotonic() + 300
    while time.monotonic() < until:
        try:
            assert line() == 0
            break
        except ConfigError:
            time.sleep(0.05)  # the stage has written its last file, and is about to end
    assert line.folders() == ["classifier", "evaluation"]


def test_what_no_stage_has_begun_is_not_replaced_unasked(toy: Any) -> None:
    toy.write(ALONE)
    Path("data").mkdir()
    Path("data/manifest.csv").touch()
    Path("runs/clep").mkdir(parents=True)
    Path("runs/clep/best.ckpt").write_text("of weeks of work")
    for words in ([], ["--dry-run"]):
        with pytest.raises(ConfigError, match=r"stage clep: runs/clep holds results .*--force replaces them"):
            toy(*words)
    assert Path("runs/clep/best.ckpt").read_text() == "of weeks of work"
    assert not Path("runs/clep/previous").exists()
    assert toy.folders() == []
    assert toy("--force") == 0
    assert toy.folders() == ["clep"]
