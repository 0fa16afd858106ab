"""Running a plan here: one process per stage, whose success is its done.json."""

import shlex
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from lightning_app.chain.launch import Launcher, is_active
from lightning_app.chain.matrix import Run
from lightning_app.chain.plan import PlannedRun, plan_run
from lightning_app.chain.process import run_process
from lightning_app.config.plugins import plugin_words
from lightning_app.errors import ConfigError, ExitCode, StageError
from lightning_app.runs.files import DONE_JSON, JOB_JSON, LAST_CKPT, LOG_TXT, read_json, set_aside
from lightning_app.runs.fingerprint import Fingerprint
from lightning_app.runs.folder import in_use
from lightning_app.runs.records import duration, read_done, write_done, write_started


@dataclass
class Runner:
    """Runs the steps of a plan.

    Args:
        launcher: Turns a stage's arguments into a command.
        keep_open: File descriptors that the stages inherit: the lock.
    """

    launcher: Launcher
    keep_open: Sequence[int] = ()
    skipped: bool = False
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def run(self, steps: Sequence[PlannedRun]) -> int:
        """Run what is not done, in order, and return 0, or 5 if a stage left rows out.

        Raises:
            StageError: At the first stage that does not succeed.
        """
        open_steps = [step for step in steps if step.state != "done"]
        for number, step in enumerate(open_steps, start=1):
            # What ran before may have left the same files as last time: then there is nothing to do here.
            step = plan_run(step.run, forced=step.forced)
            label = f"[{number}/{len(open_steps)}] {step.run.title}"
            if step.state == "done":
                log(f"{label}: done already, nothing it depends on has changed")
                continue
            log(f"{label}  ({step.run.folder}: {step.why})")
            began = time.monotonic()
            self.execute(step)
            took = time.monotonic() - began
            self.seconds.setdefault(step.run.stage.name, []).append(took)
            log(f"{label}: finished in {duration(took)}{self.left(open_steps[number:])}")
        return ExitCode.SKIPPED if self.skipped else ExitCode.OK

    def execute(self, step: PlannedRun) -> None:
        """Run one step and check that it has succeeded.

        Raises:
            StageError: If it has not.
        """
        run = step.run
        fingerprint = run.fingerprint()
        started = datetime.now(UTC)
        command = prepare_folder(step, fingerprint, self.launcher)
        code = run_process(command, run.folder / LOG_TXT, append=step.state == "resume", keep_open=self.keep_open)
        if code not in (ExitCode.OK, ExitCode.SKIPPED):
            raise _failure(run, code)
        self.skipped |= code == ExitCode.SKIPPED
        if not run.stage.lightning:
            _close(run, command, fingerprint, started)
        done = read_done(run.folder)
        if done is None:
            raise StageError(
                f"stage {run.title} ended with code {code} but without {run.folder / DONE_JSON}: it was "
                f"stopped before its end. See {run.folder / LOG_TXT}",
                ExitCode.BUG,
            )
        changes = done.fingerprint.changes(fingerprint)
        if changes:
            raise StageError(
                f"stage {run.title}: while it was starting, {changes[0]}; run the same command again", ExitCode.BUG
            )

    def left(self, steps: Sequence[PlannedRun]) -> str:
        """Estimate the remaining time, if each of the remaining stages has run before."""
        known = [self.expected(step.run) for step in steps]
        if not known or None in known:
            return ""
        return f", about {duration(sum(each for each in known if each is not None))} left"

    def expected(self, run: Run) -> float | None:
        """Return the mean seconds of a stage's runs in this chain, or those of its last run, or None."""
        mine = self.seconds.get(run.stage.name)
        if mine:
            return sum(mine) / len(mine)
        done = read_done(run.folder)
        return done.seconds if done else None


def prepare_folder(step: PlannedRun, fingerprint: Fingerprint, launcher: Launcher) -> list[str]:
    """Make a run folder ready and return the command to run in it.

    A fresh start finds nothing that it would be resumed from or taken for done; an earlier run lies in ``previous``
    until the new one has succeeded.

    Raises:
        ConfigError: If a command, or a job of the cluster, works in the folder or is going to.
    """
    folder = step.run.folder
    job = (read_json(folder / JOB_JSON) or {}).get("job")
    if job and is_active(str(job)):
        raise ConfigError(
            f"{folder}: job {job} of this stage is queued or running; wait for it, or end it: scancel {job}"
        )
    with in_use(folder):
        # A command goes on by itself from the last.ckpt that it finds.
        if step.state != "resume":
            set_aside(folder)
        command = launcher.command(step.run.arguments)
        write_started(folder, command, fingerprint)
    return command


def log(text: str) -> None:
    """Print a line for the person at the terminal: on stderr, as stdout is for data."""
    print(text, file=sys.stderr, flush=True)


def _close(run: Run, command: Sequence[str], fingerprint: Fingerprint, started: datetime) -> None:
    """Write done.json for a verb that does not write its own."""
    outputs = [Path(name) for name in run.stage.outputs]
    for output in outputs:
        if not output.is_file():
            raise StageError(
                f"stage {run.title} ended without its output {output}; see {run.folder / LOG_TXT}", ExitCode.BUG
            )
    write_done(run.folder, command=command, fingerprint=fingerprint, started=started, outputs=outputs)


def _failure(run: Run, code: int) -> StageError:
    log = f"see {run.folder / LOG_TXT}"
    saved = (run.folder / LAST_CKPT).is_file()
    again = "run the same command again to resume" if saved else "nothing was saved; the same command starts it again"
    if code in (ExitCode.INTERRUPTED, -signal.SIGINT):
        return StageError(f"interrupted in stage {run.title}; {again}", ExitCode.INTERRUPTED)
    if code in (ExitCode.PREEMPTED, ExitCode.NOTHING_SAVED, -signal.SIGTERM):
        return StageError(
            f"preempted in stage {run.title}; {again}", ExitCode.PREEMPTED if saved else ExitCode.NOTHING_SAVED
        )
    if code < 0:
        memory = " (out of memory?)" if code == -signal.SIGKILL else ""
        return StageError(
            f"stage {run.title} was killed by {signal.Signals(-code).name}{memory}; {log}; {again}", ExitCode.BUG
        )
    line = shlex.join([*run.arguments, *plugin_words()])
    return StageError(
        f"stage {run.title} failed with code {code}; {log}; alone it is: lightning-cli {line}",
        code if code in (ExitCode.USAGE, ExitCode.DATA, ExitCode.MODEL) else ExitCode.BUG,
    )
