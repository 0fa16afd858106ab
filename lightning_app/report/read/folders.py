"""Find the runs behind a report: of a chain, of a folder of run folders, or of one run and what it started from."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from datamodules.errors import DataError
from lightning_app.runs.files import (
    BEST_CKPT,
    DONE_JSON,
    EMBEDDINGS_NPZ,
    METRICS_CSV,
    PREDICTIONS_PARQUET,
    RESULTS_CSV,
    read_json,
)
from stages.init_from import source_files
from stages.release import RELEASE_KEY, unreadable

RUN_FILES = (DONE_JSON, METRICS_CSV, PREDICTIONS_PARQUET, EMBEDDINGS_NPZ)
CHAIN = "lightning-cli chain --config configs/chains/demo.yaml"
_TEST = "lightning-cli test --config stages/evaluation.yaml --model.init_from"


@dataclass(frozen=True)
class ResultRun:
    """One run folder: a stage, or one cell of a stage's matrix.

    Args:
        stage: The stage's name in the chain.
        cell: The cell's name, such as ``seed=1,fold=0``; empty where the stage has no matrix.
        folder: Where its files are.
        done: Contents of done.json; empty while the run is unfinished.
    """

    stage: str
    cell: str
    folder: Path
    done: dict[str, Any] = field(default_factory=dict)

    @property
    def axes(self) -> dict[str, str]:
        """Seed, fold and the matrix axes, as the cell's name gives them."""
        return dict(part.split("=", 1) for part in self.cell.split(",") if "=" in part)


def find_runs(folder: Path) -> tuple[list[Path], list[ResultRun]]:
    """The files with results, and the runs, by cell within the order in which the stages first ended.

    - A chain's folder has one results.csv, of all the runs inside it.
    - A run folder has its own; the runs that it started from, by ``init_from``, belong to it.
    - A folder of run folders has those of its evaluations, distinguished by an axis ``run`` where there are several.

    Raises:
        DataError: Nothing has been evaluated there.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; name a chain's folder, a run folder or a folder of run folders")
    results = folder / RESULTS_CSV
    if _is_run(folder):
        if not results.is_file():
            raise DataError(f"{folder}: a run without results; test it: `{_TEST} {folder / BEST_CKPT}`")
        return [results], _ordered(_with_predecessors([_run(folder)]))
    if results.is_file():
        runs = []
        for stage in _folders(folder):
            if _is_run(stage):
                runs.append(ResultRun(stage.name, "", stage, _read_done(stage)))
            cells = [cell for cell in _folders(stage) if _is_run(cell)]
            runs += [ResultRun(stage.name, cell.name, cell, _read_done(cell)) for cell in cells]
        return [results], _ordered(runs)
    # Predictions of recordings without labels, from `predict`, have no results.
    runs = [_run(inside) for inside in _folders(folder) if _is_run(inside) and not _only_predicts(inside)]
    evaluated = [run for run in runs if (run.folder / RESULTS_CSV).is_file()]
    if not evaluated:
        raise DataError(_nothing_in(folder, runs))
    if len(evaluated) > 1:
        runs = [replace(run, cell=run.cell or f"run={run.stage}") if run in evaluated else run for run in runs]
    return [run.folder / RESULTS_CSV for run in evaluated], _ordered(_with_predecessors(runs))


def _nothing_in(folder: Path, runs: Sequence[ResultRun]) -> str:
    chains = [str(inside) for inside in _folders(folder) if (inside / RESULTS_CSV).is_file()]
    if chains:
        return f"{folder}: holds several chains; report one of them: `lightning-cli report --runs {chains[0]}`" + (
            f", or {', '.join(chains[1:])}" if chains[1:] else ""
        )
    trained = [run for run in _ordered(runs) if (run.folder / BEST_CKPT).is_file()]
    if trained:
        return (
            f"{folder}: no run in it has been evaluated; test the last one, {trained[-1].stage}: "
            f"`{_TEST} {trained[-1].folder / BEST_CKPT} --trainer.default_root_dir {folder / 'evaluation'}`"
        )
    return (
        f"{folder / RESULTS_CSV}: not found; a chain writes it, for example `{CHAIN}`, or an evaluation into its run "
        f"folder: `{_TEST} runs/clep/best.ckpt`"
    )


def _with_predecessors(runs: Sequence[ResultRun]) -> list[ResultRun]:
    """The runs, and those whose checkpoints they started from, as far back as these are still there."""
    found = {run.folder.resolve(): run for run in runs}
    ahead = list(runs)
    while ahead:
        for folder in _started_from(ahead.pop()):
            if folder.resolve() not in found:
                found[folder.resolve()] = _run(folder)
                ahead.append(found[folder.resolve()])
    return list(found.values())


def _started_from(run: ResultRun) -> Iterator[Path]:
    fingerprint = run.done.get("fingerprint") or {}
    inputs, settings = fingerprint.get("inputs") or {}, fingerprint.get("settings") or {}
    for named in source_files(settings.get("model.init_from")):
        # Paths are as they were typed, perhaps in another folder: stages of one recipe lie side by side.
        beside = run.folder.resolve().parent / named.parent.name / named.name
        for checkpoint in (named, beside):
            if not _is_run(checkpoint.parent):
                continue
            # Trained anew since, it is another model.
            written = (_read_done(checkpoint.parent).get("outputs") or {}).get(checkpoint.name)
            if written == inputs.get(str(named)):
                yield checkpoint.parent
                break


def _run(folder: Path) -> ResultRun:
    """A run that was found by its folder: the name of a cell has a ``=``, and its folder lies in the stage's."""
    path = folder.resolve()
    if "=" in path.name:
        return ResultRun(path.parent.name, path.name, folder, _read_done(folder))
    return ResultRun(path.name, "", folder, _read_done(folder))


def _is_run(folder: Path) -> bool:
    return any((folder / name).is_file() for name in RUN_FILES)


def _only_predicts(folder: Path) -> bool:
    return (folder / PREDICTIONS_PARQUET).is_file() and not (folder / RESULTS_CSV).is_file()


def _ordered(runs: Sequence[ResultRun]) -> list[ResultRun]:
    first_end: dict[str, str] = {}
    for run in runs:
        ended = str(run.done.get("finished", "~"))
        first_end[run.stage] = min(first_end.get(run.stage, "~"), ended)
    return sorted(runs, key=lambda run: (first_end[run.stage], run.stage))


def _folders(parent: Path) -> list[Path]:
    """Folders inside ``parent``, with fold=2 before fold=10."""
    inside = [path for path in parent.iterdir() if path.is_dir()]
    return sorted(inside, key=lambda path: [int(t) if t.isdigit() else t for t in re.split(r"(\d+)", path.name)])


def _read_done(folder: Path) -> dict[str, Any]:
    done = read_json(folder / DONE_JSON)
    if done is None:
        return {}
    settings = (done.get("fingerprint") or {}).get("settings") or {}
    if complaint := unreadable(settings.get(RELEASE_KEY)):
        raise DataError(f"{folder / DONE_JSON}: {complaint}")
    return done
