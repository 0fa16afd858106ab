"""What the parser makes of a chain's commands, asked in one child process: torch is imported there, not here."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning_app.errors import RefusedRun
from lightning_app.runs.files import BEST_CKPT

if TYPE_CHECKING:
    from lightning_app.chain.matrix import Run

# Importing torch and lightning is most of the work, and a fifth faster without garbage collection.
PROGRAM = "import gc; gc.disable(); from lightning_app.chain.child import main; gc.freeze(); gc.enable(); main()"
CHILD = [sys.executable, "-P", "-W", "ignore", "-c", PROGRAM]


@dataclass(frozen=True)
class Question:
    """A command line to be read.

    Args:
        words: From the verb on.
        leaves: The checkpoint that it is going to write; a later command may start from it before it is there.
    """

    words: tuple[str, ...]
    leaves: str = ""


@dataclass(frozen=True)
class Answer:
    """What the parser makes of a command line.

    Args:
        settings: Its settings with every default, under dotted keys; None where it was not read.
        error: What is wrong with it; empty also where only a command that it starts from is wrong.
        exit_code: The code with which the command would end.
    """

    settings: dict[str, Any] | None = None
    error: str = ""
    exit_code: int = 0


Reader = Callable[[Sequence[Question]], list[Answer]]


class ChildReader:
    """Reads commands in a child process, which is started by the first call and ends with this object's context."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None

    def __call__(self, questions: Sequence[Question]) -> list[Answer]:
        """Read commands, each after those that it starts from.

        Raises:
            RuntimeError: If the child ends without an answer, by a mistake of ours; it has said which.
        """
        if not questions:
            return []
        if self._child is None:
            # In a session of its own: an interruption is told by the chain alone.
            self._child = subprocess.Popen(
                CHILD, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
            )
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(json.dumps([asdict(question) for question in questions]) + "\n")
        self._child.stdin.flush()
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError(f"the commands of the chain could not be read: code {self._child.wait()}")
        return [Answer(**answer) for answer in json.loads(line)]

    def __enter__(self) -> "ChildReader":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._child is None:
            return
        if kind is not None:
            self._child.kill()
        self._child.communicate()


def read_runs(runs: Sequence["Run"], read: Reader) -> list["Run"]:
    """Return the runs with the settings of their commands.

    Args:
        runs: Each after those that it needs.
        read: Asks the parser.

    Raises:
        RefusedRun: Names what is wrong with each of the runs.
    """
    asked = [run for run in runs if run.stage.lightning]
    questions = [Question(run.arguments, str(run.folder / BEST_CKPT)) for run in asked]
    answers: Mapping[Path, Answer] = dict(zip((run.folder for run in asked), read(questions), strict=True))
    wrong = [(run, answers[run.folder]) for run in asked if answers[run.folder].error]
    if wrong:
        # Cells of a matrix make the same mistake; a stage says it once.
        lines = dict.fromkeys(f"stage {run.stage.name}: {answer.error}" for run, answer in wrong)
        raise RefusedRun("\n".join(lines), wrong[0][1].exit_code)
    return [replace(run, settings=answers[run.folder].settings) if run.stage.lightning else run for run in runs]
