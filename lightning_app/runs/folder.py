"""The run folder of a command: locked while it works, and never written over another run's results unasked."""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple

from lightning_app.config.command_line import said
from lightning_app.config.files import PACKAGE_ROOT, resolve
from lightning_app.errors import ConfigError
from lightning_app.runs.files import (
    DONE_JSON,
    LAST_CKPT,
    PREVIOUS,
    RECORDS,
    RUN_LOCK,
    STARTED_JSON,
    holds_run,
    set_aside,
)
from lightning_app.runs.fingerprint import Fingerprint
from lightning_app.runs.lock import locked
from lightning_app.runs.records import read_done, read_started, write_started
from lightning_app.runs.storage import refusal

OVERWRITE = "--overwrite"
ROOT = "trainer.default_root_dir"
# Checkpoints of the run folder itself, in Lightning's words.
IN_THE_FOLDER = ("last", "best", "hpc")
# Seconds; moving an old run away takes far less.
SETTLED = 1.0


class AlreadyDone(Exception):
    """The folder holds the results of this very command; there is nothing to do."""


class Found(NamedTuple):
    """What a run folder holds: this very run, finished or stopped, another one, or nothing to be careful of."""

    state: Literal["empty", "done", "begun", "replaceable", "other"]
    why: str = ""


class RunFolder:
    """Takes a folder for one command, and lets it go in the end.

    Args:
        words: The command line, from the verb on.
        mark: Its fingerprint.
        overwrite: Whether another run's results may be replaced. They are moved into the folder ``previous``, and
            deleted when the command has succeeded. This very run, stopped before its end, is gone on with.
    """

    def __init__(self, words: Sequence[str], mark: Fingerprint, overwrite: bool) -> None:
        self.words, self.mark = list(words), mark
        # A job that is put back into the queue has the same command line, and is to go on with what it made itself.
        self.overwrite = overwrite and os.environ.get("SLURM_RESTART_COUNT", "0") == "0"
        self.path: Path | None = None
        self._afresh, self._begun = True, False
        self._record: dict[Path, bytes] = {}
        self._held = ExitStack()

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if is_first_process() and self._begun and self.path is not None and not (self.path / DONE_JSON).is_file():
            kept = self.path / PREVIOUS
            if kept.is_dir():
                print(f"lightning-cli {self.words[0]}: what {self.path} held before lies in {kept}", file=sys.stderr)
        if error is not None:
            for file, content in self._record.items():
                file.write_bytes(content)
        self._held.close()

    def take(self, path: Path, ckpt_path: str | None) -> Path | None:
        """Lock the folder and return the checkpoint to go on from where nobody named one; nothing is changed yet.

        Every process of a run finds the same, and refuses the same; the first one alone locks, moves and writes.

        Args:
            path: The run folder; made if it is not there.
            ckpt_path: The checkpoint that the command names.

        Raises:
            AlreadyDone: If this command has finished here.
            ConfigError: If the folder holds another run, is in use, or cannot be written.
        """
        self.path = path
        first, fits = is_first_process(), self.words[0] == "fit"
        if first:
            self._lock(path)
        found = self._look(path)
        if fits and found.state == "done":
            raise AlreadyDone(f"{path} holds this run, and it is done; nothing to do ({OVERWRITE} runs it again)")
        continues = fits and ckpt_path is not None and _lies_in(path, ckpt_path)
        resumed = self.goes_on_from(path) if ckpt_path is None else None
        self._afresh = not continues and resumed is None
        if self._afresh:
            if not first and found.state == "other":
                # The first process may be moving an old run away at this moment.
                time.sleep(SETTLED)
                found = self._look(path)
            self._require_room(path, found, ckpt_path if fits else None)
        if first and resumed is not None:
            said = f"goes on from {resumed}, where it stopped (delete that file to start anew)"
            print(f"lightning-cli fit: {said}", file=sys.stderr)
        return resumed

    def goes_on_from(self, path: Path) -> Path | None:
        """The checkpoint at which this very run was stopped in a folder, if it was; locks and changes nothing."""
        last = path / LAST_CKPT
        return last if self._resumes(path) and self._look(path).state == "begun" else None

    def begin(self) -> None:
        """Clear the folder and say what is in it from now on; call it when the configuration has no more mistakes.

        A run that goes on may still be refused, by its checkpoint: until `accept`, what it was is remembered.
        """
        if self.path is not None and is_first_process():
            if self._afresh:
                set_aside(self.path)
            else:
                files = [self.path / name for name in RECORDS]
                self._record = {file: file.read_bytes() for file in files if file.is_file()}
            self._begun = True
            write_started(self.path, ["lightning-cli", *self.words], self.mark)

    def accept(self) -> None:
        """Note that the checkpoint to go on from fits: the folder's files are this command's from now on."""
        self._record = {}

    def way_on(self) -> str:
        """Say what the same command does after an interruption, as the end of a sentence."""
        if self.path is None:
            return ""
        last = self.path / LAST_CKPT
        if self.words[0] == "fit" and last.is_file():
            return f"; the same command goes on from {last}"
        return "; the same command starts again"

    def _lock(self, path: Path) -> None:
        self._held.enter_context(in_use(path))
        # A process that was killed while it wrote could not take these away.
        for left in (*path.glob(".*.ckpt.*"), *path.glob(f".{DONE_JSON}.*"), *path.glob(f".{STARTED_JSON}.*")):
            left.unlink(missing_ok=True)

    def _look(self, path: Path) -> Found:
        """Find out what the folder holds, as far as it may not be replaced."""
        if not holds_run(path):
            return Found("empty")
        if self.overwrite:
            return Found("begun" if self._stopped_in(path) else "replaceable")
        done = read_done(path)
        then = done.fingerprint if done else read_started(path)
        if then is None:
            return Found("other", "nothing says of which run they are")
        if changes := then.changes(self.mark, resumes=done is None and self._resumes(path)):
            return Found("other", changes[0])
        if done is None:
            return Found("begun")
        damage = done.damage(path)
        return Found("other", damage) if damage else Found("done")

    def _stopped_in(self, path: Path) -> bool:
        """Whether this very run was stopped here, after a checkpoint: that is not what is to be overwritten."""
        if (path / DONE_JSON).exists() or not (path / LAST_CKPT).is_file():
            return False
        with suppress(ConfigError):
            then = read_started(path)
            return then is not None and not then.changes(self.mark, resumes=self._resumes(path))
        return False

    def _resumes(self, path: Path) -> bool:
        """Whether this is a command that goes on from what it left, and the folder holds such a checkpoint."""
        return self.words[0] == "fit" and (path / LAST_CKPT).is_file()

    def _require_room(self, path: Path, found: Found, ckpt_path: str | None) -> None:
        if found.state == "other" or (ckpt_path and found.state == "begun" and not self.overwrite):
            why = found.why or f"this one resumes from {ckpt_path}"
            raise ConfigError(
                f"{path} holds results of another run: {why}; {OVERWRITE} replaces them, --{ROOT} OTHER keeps both"
            )
        sources = [name for name in self.mark.inputs if _lies_in(path, name)]
        if sources and found.state != "empty":
            raise ConfigError(
                f"{path}: the command reads {sources[0]}, which it would replace; "
                f"name another run folder with --{ROOT} OTHER"
            )


def _lies_in(folder: Path, name: str) -> bool:
    """Whether a file, or one of Lightning's words for a checkpoint of the run, lies in the run folder."""
    return name in IN_THE_FOLDER or Path(name).absolute().parent == folder.absolute()


@contextmanager
def in_use(path: Path) -> Iterator[None]:
    """Hold a run folder, which is made if it is not there: nobody else moves or writes what is in it.

    Raises:
        ConfigError: If a command works in it, or if it cannot be written.
    """
    with ExitStack() as held:
        try:
            path.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(path / RUN_LOCK, "another command works in this folder"))
        except OSError as error:
            raise ConfigError(f"{path}: the run folder {refusal(error, path)} with --{ROOT} FOLDER") from error
        yield


def is_first_process() -> bool:
    """Whether this process is the one of a run that writes files, on every launcher."""
    ranks = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")
    return all(os.environ.get(name, "0") == "0" for name in ranks)


def in_own_folder(words: Sequence[str]) -> list[str]:
    """Give ``predict`` the folder ``predict`` beside that of a stage of ours, which holds what the stage wrote.

    A folder that the command line or a configuration of the user's own names is kept.

    >>> in_own_folder(["predict", "--trainer.default_root_dir=mine"])
    ['predict', '--trainer.default_root_dir=mine']
    """
    named = any(word.partition("=")[0] == f"--{ROOT}" for word in words)
    if words[0] != "predict" or named:
        return list(words)
    folder = Path(str(said(words[1:]).get(ROOT) or "."))
    if folder.name and not _is_of_a_stage(folder):
        return list(words)
    return [*words, f"--{ROOT}={folder.with_name('predict') if folder.name else 'predict'}"]


def _is_of_a_stage(folder: Path) -> bool:
    """Whether a stage that comes with this program names the folder."""
    section, key = ROOT.split(".")
    files = sorted((PACKAGE_ROOT / "stages").glob("*.yaml"))
    return any(folder == Path(str(resolve(file).get(section, {}).get(key))) for file in files)
