"""The plan of a chain: the state of each run and why, as a table, and the input files that nobody makes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from datamodules.corpora import prepare_command
from lightning_app.chain.matrix import Run
from lightning_app.config.files import is_file
from lightning_app.errors import ConfigError, ExitCode, RefusedRun
from lightning_app.runs.files import BEST_CKPT, LAST_CKPT, holds_run
from lightning_app.runs.records import read_done, read_started
from stages.init_from import source_files

State = Literal["done", "run", "resume"]
# Files that a stage reads first of all, and the exit code it would end with without them.
READ = {
    "data.manifest": ExitCode.DATA,
    "model.init_from": ExitCode.MODEL,
    "model.weights.path": ExitCode.MODEL,
    "ckpt_path": ExitCode.MODEL,
}


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
        step = plan_run(run, forced=force or after_start)
        rerun = [steps[folder].run.title for folder in run.depends_on if steps[folder].state != "done"]
        if rerun and not step.forced:
            step = replace(step, state="run", why=f"{rerun[0]} runs before it")
        steps[run.folder] = step
    return list(steps.values())


def plan_run(run: Run, *, forced: bool = False) -> PlannedRun:
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


def table(steps: Sequence[PlannedRun]) -> str:
    """Format a plan for people: stage, cell, state and reason of each run, a line each, and their numbers."""
    rows = [("stage", "cell", "state", "why")]
    for step in steps:
        cell = ",".join(f"{axis}={label}" for axis, label in step.run.cell.items()) or "-"
        rows.append((step.run.stage.name, cell, step.state, step.why))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = []
    for *words, why in rows:
        padded = [word.ljust(width) for word, width in zip(words, widths, strict=True)]
        lines.append("  ".join([*padded, why]))
    done = sum(step.state == "done" for step in steps)
    return "\n".join([*lines, "", f"{len(steps) - done} to run, {done} done"])


def require_inputs(runs: Iterable[Run], steps: Iterable[PlannedRun]) -> None:
    """Refuse to start where a manifest or weights are not there and no stage of the chain makes it.

    Args:
        runs: All runs of the chain.
        steps: Those that are planned.

    Raises:
        RefusedRun: Names each file and the first stage that reads it.
    """
    made = {path for run in runs for path in (*_outputs(run), run.folder / BEST_CKPT)}
    absent: dict[str, tuple[str, str]] = {}
    for step in steps:
        if step.state == "done" or not step.run.stage.lightning:
            continue
        for key in READ:
            # Only `init_from` may name several.
            for file in source_files((step.run.settings or {}).get(key)):
                if file not in made and not is_file(file):
                    absent.setdefault(str(file), (step.run.title, key))
    if absent:
        lines = [_absence(name, *where) for name, where in absent.items()]
        raise RefusedRun("\n".join(lines), READ[next(iter(absent.values()))[1]])


def _outputs(run: Run) -> Iterator[Path]:
    """Files that a run writes outside its folder, named by ``output`` or by ``--out``."""
    yield from map(Path, run.stage.outputs)
    for before, word in zip(["", *run.arguments], run.arguments, strict=False):
        name, equals, value = word.partition("=")
        if name == "--out" and equals:
            yield Path(value)
        elif before == "--out":
            yield Path(word)


def _absence(name: str, title: str, key: str) -> str:
    make = f": {prepare_command(Path(name))}" if key == "data.manifest" else ""
    return f"stage {title}: {key}: {name} is not there, and no stage of this chain makes it{make}"
