"""What there is to do in a chain, and why."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from lightning_app.chain.matrix import Run
from lightning_app.errors import ConfigError
from lightning_app.runs.files import LAST_CKPT
from lightning_app.runs.previous import holds_run
from lightning_app.runs.records import read_done, read_started

State = Literal["done", "run", "resume"]


@dataclass(frozen=True)
class PlannedRun:
    """A run of the plan.

    Args:
        run: The run.
        state: ``done`` needs nothing; ``resume`` continues from last.ckpt; ``run`` starts afresh.
        why: The reason, for people.
        forced: Asked for on the command line, whatever its state.
    """

    run: Run
    state: State
    why: str
    forced: bool = False


def plan(runs: Sequence[Run], *, start: str | None = None, force: bool = False) -> list[PlannedRun]:
    """Decide what to do with each run.

    Args:
        runs: In the order in which they can run.
        start: Run this stage and all that needs it, even if they are done.
        force: Run everything, even if it is done.

    Raises:
        ConfigError: If there is no such stage, or a run folder holds what is not the chain's.
    """
    _require_stage("--from", start, runs)
    steps: dict[Path, PlannedRun] = {}
    for run in runs:
        after_start = run.stage.name == start or any(steps[folder].forced for folder in run.depends_on)
        step = decide(run, forced=force or after_start)
        rerun = [steps[folder].run.title for folder in run.depends_on if steps[folder].state != "done"]
        if rerun and not step.forced:
            step = replace(step, state="run", why=f"{rerun[0]} runs before it")
        steps[run.folder] = step
    return list(steps.values())


def decide(run: Run, *, forced: bool = False) -> PlannedRun:
    """Decide what to do with one run, as its run folder and its inputs are at this moment.

    Raises:
        ConfigError: If the folder holds results of which nothing says what made them, unless the run is forced.
    """
    if forced:
        return PlannedRun(run, "run", "asked for", forced=True)
    now = run.fingerprint()
    done = read_done(run.folder)
    if done is not None:
        reason = next(iter(done.fingerprint.changes(now)), None) or done.damage(run.folder)
        return PlannedRun(run, "run", reason) if reason else PlannedRun(run, "done", f"finished {done.finished}")
    started = read_started(run.folder)
    if started is None and holds_run(run.folder):
        raise ConfigError(
            f"stage {run.title}: {run.folder} holds results that no stage of this chain has begun; --force replaces "
            "them, another folder as `runs:` of the chain file keeps both"
        )
    if started is None:
        return PlannedRun(run, "run", "never run")
    changes = started.changes(now)
    if changes:
        return PlannedRun(run, "run", f"stopped before the end, and since then {changes[0]}")
    if run.stage.verb == "fit" and (run.folder / LAST_CKPT).is_file():
        return PlannedRun(run, "resume", "stopped before the end (last.ckpt)")
    return PlannedRun(run, "run", "stopped before the end")


def needed(runs: Sequence[Run], until: str | None) -> list[Run]:
    """Leave out all that a stage does not need.

    Args:
        runs: In the order in which they can run.
        until: The stage; None leaves nothing out.

    Raises:
        ConfigError: If there is no such stage.
    """
    if until is None:
        return list(runs)
    _require_stage("--until", until, runs)
    by_folder = {run.folder: run for run in runs}
    wanted: set[Path] = set()
    for run in reversed(runs):
        if run.stage.name == until or run.folder in wanted:
            wanted |= {run.folder, *by_folder[run.folder].depends_on}
    return [run for run in runs if run.folder in wanted]


def _require_stage(option: str, name: str | None, runs: Sequence[Run]) -> None:
    names = list(dict.fromkeys(run.stage.name for run in runs))
    if name is not None and name not in names:
        raise ConfigError(f"{option} {name}: there is no such stage; expected one of: {', '.join(names)}")
