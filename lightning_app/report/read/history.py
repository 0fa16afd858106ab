"""Settings, hashes, durations and learning curves of every stage."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from datamodules.errors import DataError
from lightning_app.report.read.folders import ResultRun
from lightning_app.runs.files import CONFIG_YAML, METRICS_CSV
from lightning_app.runs.records import duration


@dataclass(frozen=True)
class CellRecord:
    """One run, as its done.json records it; "not finished" where there is none."""

    cell: str
    finished: str
    duration: str
    host: str
    config_hash: str
    input_hashes: list[tuple[str, str]]
    command: str
    metrics: list[tuple[str, str]]


@dataclass(frozen=True)
class StageRecord:
    """One stage: its runs, and the versions and configuration of the first one."""

    name: str
    cells: list[CellRecord]
    unfinished: int
    duration: str
    versions: list[tuple[str, str]]
    config: str


def stage_records(runs: list[ResultRun]) -> list[StageRecord]:
    """One record for each stage, in the order of ``runs``."""
    by_stage: dict[str, list[ResultRun]] = {}
    for run in runs:
        by_stage.setdefault(run.stage, []).append(run)
    return [_stage(name, cells) for name, cells in by_stage.items()]


def _stage(name: str, runs: list[ResultRun]) -> StageRecord:
    config = runs[0].folder / CONFIG_YAML
    seconds = [run.done["seconds"] for run in runs if isinstance(run.done.get("seconds"), int | float)]
    return StageRecord(
        name=name,
        cells=[_cell(run) for run in runs],
        unfinished=sum(not run.done for run in runs),
        duration=duration(sum(seconds)) if seconds else "unknown",
        versions=_pairs(next((run.done["versions"] for run in runs if "versions" in run.done), {})),
        config=config.read_text(encoding="utf-8") if config.is_file() else "",
    )


def _cell(run: ResultRun) -> CellRecord:
    done = run.done
    fingerprint = done.get("fingerprint") or {}
    seconds = done.get("seconds")
    command = done.get("command", "")
    return CellRecord(
        cell=run.cell or "(single run)",
        finished=str(done.get("finished", ""))[:19].replace("T", " "),
        duration=duration(seconds) if isinstance(seconds, int | float) else "unknown",
        host=str(done.get("host", "")),
        config_hash=str(fingerprint.get("config", "")),
        input_hashes=_pairs(fingerprint.get("inputs") or {}),
        command=" ".join(map(str, command)) if isinstance(command, list) else str(command),
        metrics=_pairs(done.get("metrics") or {}),
    )


def _pairs(values: Any) -> list[tuple[str, str]]:
    """Turn a mapping, a list or a single value into pairs of name and text."""
    if isinstance(values, Mapping):
        return [(str(key), _text(value)) for key, value in values.items()]
    if isinstance(values, list):
        return [("", str(value)) for value in values]
    return [("", str(values))]


def _text(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def curves(runs: list[ResultRun]) -> dict[str, list[pd.DataFrame]]:
    """The metrics.csv of every run, by stage.

    Raises:
        DataError: One of them is no table.
    """
    found: dict[str, list[pd.DataFrame]] = {}
    for run in runs:
        path = run.folder / METRICS_CSV
        if not path.is_file() or not path.stat().st_size:
            continue
        try:
            found.setdefault(run.stage, []).append(pd.read_csv(path))
        except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: {error}; delete the folder and run the chain again") from error
    return found
