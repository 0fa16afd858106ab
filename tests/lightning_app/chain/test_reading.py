"""The child process that reads a chain's commands, and what it makes of stages that start from each other."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lightning_app.chain.child import read_all
from lightning_app.chain.reading import ChildReader, Question
from lightning_app.config.files import PACKAGE_ROOT
from lightning_app.config.parser import read_command
from lightning_app.runs.fingerprint import command_fingerprint

CLEP = ("fit", "--config", "stages/clep.yaml")
ACPT = ("fit", "--config", "stages/acpt.yaml", "--model.init_from=runs/new/best.ckpt", "--model.prompt.length=4")
PROGRAM = """
import sys
from lightning_app.cli import main
code = main(["chain", "--config", "configs/chains/demo.yaml", "--dry-run", *sys.argv[1:]])
print(code, "torch" in sys.modules)
"""


def test_a_chain_is_read_in_a_child_and_torch_is_imported_there(tmp_path: Path) -> None:
    line = [sys.executable, "-c", PROGRAM, "--set", "classifier.model.loss.marginn=1"]
    here = {**os.environ, "PYTHONPATH": str(PACKAGE_ROOT)}
    done = subprocess.run(line, cwd=tmp_path, env=here, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "2 False"
    assert "stage classifier: model.loss: there is no option 'marginn'; did you mean 'margin'?" in done.stderr


def test_nothing_is_started_for_no_question() -> None:
    with ChildReader() as read:
        assert read([]) == []
        assert read._child is None


def test_what_a_stage_starts_from_need_not_be_there() -> None:
    first, second = read_all([Question(CLEP, "runs/new/best.ckpt"), Question(ACPT, "runs/acpt/best.ckpt")])
    assert first.error == second.error == ""
    assert first.settings is not None
    assert second.settings is not None
    assert first.settings["model.loss.targets"] == "identity"
    assert second.settings["model.prompt.length"] == 4
    assert not [key for key in second.settings if key.startswith("model.clap.")]


def test_a_checkpoint_of_an_earlier_run_is_not_asked_where_a_stage_makes_what_is_gone(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").write_text("of other settings")
    acpt = Question((*ACPT, f"--trainer.default_root_dir={tmp_path}"))
    *_, answer = read_all([Question(CLEP, "runs/new/best.ckpt"), acpt])
    assert answer.error == ""


@pytest.mark.parametrize(
    "labels", ["[anger, fear, neutral]", "{name: mine, labels: [anger, neutral], merge: {fear: anger}}"]
)
def test_a_label_set_of_ones_own_is_handed_on(labels: str) -> None:
    clep = Question((*CLEP, f"--data.labels={labels}"), "runs/new/best.ckpt")
    _, answer = read_all([clep, Question(ACPT)])
    assert answer.error == ""
    assert answer.settings is not None
    assert not [key for key in answer.settings if key.startswith("data.labels")]


def test_a_mistake_is_told_once_though_others_start_from_it() -> None:
    wrong = Question((*CLEP, "--data.manifst=x"), "runs/new/best.ckpt")
    first, second = read_all([wrong, Question(ACPT)])
    assert "there is no option 'manifst'" in first.error
    assert first.exit_code == 2
    assert second.settings is None
    assert second.error == ""


def test_a_checkpoint_that_nobody_makes() -> None:
    (answer,) = read_all([Question(ACPT)])
    assert answer.exit_code == 4
    assert "runs/new/best.ckpt is not there" in answer.error


@pytest.mark.parametrize(("stage", "source"), [("acpt", "clep"), ("classifier", "acpt"), ("evaluation", "classifier")])
def test_the_fingerprint_is_the_same_before_and_after_what_it_starts_from_has_run(
    chain, stage: str, source: str
) -> None:
    """``chain`` has the checkpoints; their commands stand in their records."""
    path = chain.checkpoint(source)
    sources = {"clep": [], "acpt": ["clep"], "classifier": ["clep", "acpt"]}[source]
    questions = []
    for name in [*sources, source]:
        start = questions[-1].leaves if questions else None
        words = ["fit", "--config", f"stages/{name}.yaml", *(["--config", str(chain.tiny_yaml)] if not start else [])]
        questions.append(Question((*words, *([f"--model.init_from={start}"] if start else [])), f"{path}.{name}"))
    questions[-1] = Question(questions[-1].words, str(path))
    verb = "test" if stage == "evaluation" else "fit"
    words = (verb, "--config", f"stages/{stage}.yaml", f"--model.init_from={path}", "--seed_everything=3")
    *_, planned = read_all([*questions, Question(words)])
    assert planned.error == ""
    assert planned.settings is not None
    now = command_fingerprint(verb, read_command(words).settings)
    assert command_fingerprint(verb, planned.settings).changes(now) == []


def test_the_evaluation_of_a_text_stage_that_starts_from_a_checkpoint_outside_the_chain(chain) -> None:
    path = chain.checkpoint("acpt")
    acpt = ("fit", "--config", "stages/acpt.yaml", f"--model.init_from={chain.checkpoint('clep')}")
    words = ("test", "--config", "stages/evaluation.yaml", f"--model.init_from={path}")
    _, planned = read_all([Question(acpt, str(path)), Question(words)])
    assert planned.error == ""
    assert planned.settings is not None
    now = command_fingerprint("test", read_command(words).settings)
    assert command_fingerprint("test", planned.settings).changes(now) == []
