import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from jsonargparse import ArgumentParser

from lightning_app.chain.launch import Local
from lightning_app.chain.reading import Answer, Question, Reader
from lightning_app.commands.chain import add_arguments
from lightning_app.commands.chain import run as run_chain
from lightning_app.config.command_line import said

# A stage in miniature: its best.ckpt is decided by its settings and by what it starts from. Files beside the chain
# steer it: crash_STAGE (exit code, after last.ckpt), silent_STAGE (ends without done.json), hold_STAGE (at work while
# it is there).
STAGE = """
import csv, json, sys, time
from datetime import datetime, UTC
from pathlib import Path
from lightning_app.runs.records import write_done
from lightning_app.config.command_line import said
from lightning_app.runs.fingerprint import command_fingerprint

argv = sys.argv[1:]
with open("launches.txt", "a") as file:
    file.write(json.dumps(argv) + "\\n")
print("hello from", argv[0], flush=True)
if argv[0] == "report":
    Path("report.txt").write_text(json.dumps(argv))
    sys.exit(0)
if argv[0] == "prepare":
    out = Path(argv[argv.index("--out") + 1])
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("id\\n" + "\\n".join(word for word in argv[1:] if word != str(out)))
    sys.exit(int(Path("crash_prepare").read_text()) if Path("crash_prepare").exists() else 0)
mark, started = command_fingerprint(argv[0], said(argv[1:])), datetime.now(UTC)
folder = Path(next(w.partition("=")[2] for w in argv if w.startswith("--trainer.default_root_dir=")))
runs = Path("runs")
stage = folder.relative_to(runs).parts[0]
(folder / "last.ckpt").write_text(str(len(argv)))
while Path(f"hold_{stage}").exists():
    time.sleep(0.02)
if Path(f"crash_{stage}").exists():
    sys.exit(int(Path(f"crash_{stage}").read_text()))
(folder / "best.ckpt").write_text(json.dumps([mark.config, mark.inputs], sort_keys=True))
if argv[0] == "test":
    with open(folder / "results.csv", "w") as file:
        file.write("system,corpus,label_set,kind,metric,better,seed,fold,value,n\\nclep,demo,7,score,UA,higher,9,,0.5,10\\nclep,demo,7,score,WA,higher,9,,0.6,10\\n")
if not Path(f"silent_{stage}").exists():
    write_done(folder, command=argv, fingerprint=mark, started=started, outputs=[folder / "best.ckpt"])
sys.exit(5 if Path(f"skip_{stage}").exists() else 0)
"""

CHAIN = """
name: toy
runs: runs
matrix:
  seed: {values: [1, 2], keys: ["*.seed_everything"]}
  loss: {arcface: {classifier.model.init_args.loss: A}, softmax: {classifier.model.init_args.loss: S}}
stages:
  corpus: {verb: prepare, args: [demo, --out, data/manifest.csv], output: data/manifest.csv}
  clep: {verb: fit, config: stages/clep.yaml, after: [corpus]}
  classifier: {verb: fit, config: stages/classifier.yaml, from: clep}
  evaluation: {verb: test, config: stages/evaluation.yaml, from: classifier}
"""

LINE = """
runs: runs
stages:
  corpus: {verb: prepare, args: [demo, --out, data/manifest.csv], output: data/manifest.csv}
  clep: {verb: fit, config: stages/clep.yaml, after: corpus}
  classifier: {verb: fit, config: stages/classifier.yaml, from: clep}
  evaluation: {verb: test, config: stages/evaluation.yaml, from: classifier}
"""
ALONE = """
runs: runs
stages:
  clep: {verb: fit, config: stages/clep.yaml}
"""


def read_as_said(questions: Sequence[Question]) -> list[Answer]:
    """What commands say, where the classes that they name are none."""
    return [Answer(settings=said(question.words[1:])) for question in questions]


class Toy:
    """A chain in a temporary folder, run with the stage in miniature."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reader: Reader = read_as_said
        (folder / "stages").mkdir()
        for name in ("clep", "classifier", "evaluation", "other"):
            (folder / f"stages/{name}.yaml").write_text(
                f"model: {{class_path: stages.{name}.X}}\ndata: {{init_args: {{manifest: data/manifest.csv, n: 1}}}}\n"
            )
        (folder / "stage.py").write_text(STAGE)
        self.write(CHAIN)

    def write(self, text: str) -> None:
        (self.folder / "chain.yaml").write_text(text)

    def __call__(self, *words: str) -> int:
        parser = ArgumentParser(exit_on_error=False)
        add_arguments(parser)
        launcher = Local(program=[sys.executable, str(self.folder / "stage.py")])
        return run_chain(parser.parse_args(["--config", "chain.yaml", *words]), launcher, self.reader)

    def launches(self) -> list[list[str]]:
        """Return the command lines since the last call."""
        log = self.folder / "launches.txt"
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    def folders(self) -> list[str]:
        """Return the run folders of the launches since the last call; a verb of ours is named itself."""
        key = "--trainer.default_root_dir=runs/"
        return [next((w.removeprefix(key) for w in line if w.startswith(key)), line[0]) for line in self.launches()]


def _enter(folder: Path, patch: pytest.MonkeyPatch) -> Toy:
    patch.chdir(folder)
    patch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    return Toy(folder)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """A chain with a matrix, of which nothing has run."""
    return _enter(tmp_path, monkeypatch)


@pytest.fixture
def line(toy: Toy) -> Toy:
    """A chain without a matrix, of which nothing has run."""
    toy.write(LINE)
    return toy


def _finish(folder: Path, text: str) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        toy = _enter(folder, patch)
        toy.write(text)
        assert toy() == 0
    return folder


@pytest.fixture(scope="session")
def finished_matrix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _finish(tmp_path_factory.mktemp("matrix"), CHAIN)


@pytest.fixture(scope="session")
def finished_line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _finish(tmp_path_factory.mktemp("line"), LINE)


@pytest.fixture
def done_matrix(toy: Toy, finished_matrix: Path) -> Toy:
    """The chain with a matrix, all of which has run; its launches are still to be read."""
    shutil.copytree(finished_matrix, toy.folder, dirs_exist_ok=True)
    return toy


@pytest.fixture
def done_line(toy: Toy, finished_line: Path) -> Toy:
    """The chain without a matrix, all of which has run."""
    shutil.copytree(finished_line, toy.folder, dirs_exist_ok=True)
    toy.launches()
    return toy
