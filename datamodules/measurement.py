"""Every recording of a manifest, opened once: lengths, rates and hashes filled in, bad files listed."""

import os
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd

from datamodules.errors import DataError
from datamodules.recordings import Recording, describe

_TOLERANCE = 0.05  # seconds by which a table may round


def measure(
    rows: pd.DataFrame, hashed: bool = True, progress: Callable[[int, int], None] | None = None
) -> tuple[pd.DataFrame, dict[int, str]]:
    """Fill in `duration`, `sample_rate` and `sha256` from the audio files.

    Args:
        rows: a manifest with `file`, the absolute path; numbers that are there already are compared.
        hashed: also compute sha256, which reads every file to its end.
        progress: called with the number of files read and the number of files.

    Returns:
        The rows whose file is good, filled in; and for the other rows, by index, what is wrong.
    """
    files = list(dict.fromkeys(rows["file"]))
    found: dict[str, Recording | str] = {}
    with ThreadPoolExecutor(min(8, 2 * (os.cpu_count() or 1))) as pool:
        for file, outcome in zip(files, pool.map(lambda file: _try(file, hashed), files), strict=True):
            found[file] = outcome
            if progress is not None:
                progress(len(found), len(files))
    filled: dict[int, dict[str, object]] = {}
    bad: dict[int, str] = {}
    for line, row in zip(rows.index.tolist(), rows.to_dict("records"), strict=True):
        recording = found[str(row["file"])]
        problem = recording if isinstance(recording, str) else _contradiction(row, recording)
        if problem or isinstance(recording, str):
            bad[line] = problem
            continue
        start, end = _number(row, "start", 0.0), _number(row, "end", recording.duration)
        filled[line] = {"duration": min(end, recording.duration) - start, "sample_rate": recording.sample_rate}
        if hashed:
            filled[line]["sha256"] = recording.sha256
    good = rows.loc[list(filled)]
    return good.assign(**pd.DataFrame(list(filled.values()), index=good.index)), bad


def _try(file: str, hashed: bool) -> Recording | str:
    try:
        return describe(Path(file), hashed)
    except DataError as error:
        return str(error)


def _contradiction(row: Mapping[Hashable, Any], recording: Recording) -> str:
    """What the table says of the file that is not so, or nothing."""
    duration = recording.duration
    start, end = _number(row, "start", 0.0), _number(row, "end", duration)
    length = min(end, duration) - start
    if (rate := _number(row, "sample_rate", recording.sample_rate)) != recording.sample_rate:
        return f"{row['file']}: the table says sample_rate {rate:g}, the file has {recording.sample_rate} Hz"
    if start >= duration or end > duration + _TOLERANCE:
        return f"{row['file']}: the table says {start:g} to {end:g} s, the file ends at {duration:.3f} s"
    if abs(_number(row, "duration", length) - length) > _TOLERANCE:
        return f"{row['file']}: the table says duration {row['duration']:g} s, the clip has {length:.3f} s"
    if row.get("sha256") and recording.sha256 and row["sha256"] != recording.sha256:
        return f"{row['file']}: its sha256 is not the one in the table; the file has changed"
    return ""


def _number(row: Mapping[Hashable, Any], column: str, default: float) -> float:
    value = row.get(column)
    return default if value is None or pd.isna(value) else float(value)
