"""Measurement of the clips of a table, in several processes, each clip once."""

import math
import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import soundfile

from datamodules import stop_signals
from datamodules.acoustics.base import Acoustics
from datamodules.audio.reading import AudioFormat, AudioSegment, read_crop
from datamodules.cache import cache_folder, key_of
from datamodules.errors import DataError
from datamodules.kept_rows import KeptRows
from datamodules.manifest.contents import Contents

SAMPLE_RATE = 16_000
"""All clips are measured at this rate in Hz, so that the rate of a recording says nothing about its voice."""

LONGEST = 60.0
"""Seconds of a clip that are measured; the rest of a longer one is ignored."""

_CHUNK = 16  # clips of one message between processes
_KEPT = 512  # clips after which what was measured goes to disk

Clip = tuple[str, float, float]


def kept_measurements(acoustics: Acoustics) -> KeptRows:
    """Open the cache of measurements: a row of ``acoustics.columns`` for each clip."""
    columns = list(acoustics.columns)
    name = f"{acoustics.name}-{acoustics.version}-{key_of(columns).hex()[:8]}"
    cache = cache_folder()
    about = {"what": "acoustic measurements of clips; may be deleted", "columns": columns}
    return KeptRows(cache / "acoustics" / name if cache else None, about)


def measure_clips(
    acoustics: Acoustics, rows: pd.DataFrame, workers: int | None = None, cache: KeptRows | None = None
) -> pd.DataFrame:
    """Measure clips.

    Args:
        acoustics: The implementation.
        rows: A manifest's rows, with ``file``, the absolute path; ``start``, ``end`` and ``sha256`` are used where
            present.
        workers: Processes; None takes one per core, 0 measures in this process (unless `acoustics` is isolated).
        cache: Measurements of before; None opens those on disk.

    Returns:
        A table with the index of `rows` and the columns of `acoustics`.

    Raises:
        DataError: If a recording cannot be read, or is not the one that `rows` had the ``sha256`` of; the message lists
            the first five.
        MissingExtra: If a package that `acoustics` needs is not installed.
    """
    cache = kept_measurements(acoustics) if cache is None else cache
    _require_unchanged(rows)
    clips = [_clip(row) for row in rows.to_dict("records")]
    hashes = rows["sha256"].fillna("").tolist() if "sha256" in rows else [""] * len(rows)
    keys = [_key(clip, sha256) for clip, sha256 in zip(clips, hashes, strict=True)]
    missing = {keys[index]: clips[index] for index in cache.missing(keys)}
    if missing:
        acoustics.announce()
        _measure_missing(acoustics, missing, _processes(acoustics, workers, len(missing)), cache)
    found = cache.read(keys).astype(float).reshape(len(keys), len(acoustics.columns))
    return pd.DataFrame(found, index=rows.index, columns=list(acoustics.columns))


def _require_unchanged(rows: pd.DataFrame) -> None:
    """Refuse recordings whose content is not what the manifest says, where there is a cache of their hashes."""
    folder = cache_folder()
    if "sha256" not in rows or folder is None:
        return
    hashes = zip(rows["file"].tolist(), rows["sha256"].fillna("").tolist(), strict=True)
    changed = Contents(folder).changed({file: sha256 for file, sha256 in hashes if sha256})
    if changed:
        more = f"\n  ... and {len(changed) - 5} more" if len(changed) > 5 else ""
        raise DataError("acoustics: " + "\n  ".join(list(changed.values())[:5]) + more)


def _measure_missing(acoustics: Acoustics, missing: Mapping[bytes, Clip], processes: int, cache: KeptRows) -> None:
    fresh: dict[bytes, list[float]] = {}
    problems: list[str] = []
    for key, outcome in zip(missing, _outcomes(acoustics, list(missing.values()), processes), strict=True):
        if isinstance(outcome, str):
            problems.append(outcome)
            continue
        fresh[key] = [outcome[column] for column in acoustics.columns]
        if len(fresh) == _KEPT or stop_signals.asked():
            cache.add(list(fresh), np.array(list(fresh.values()), np.float64))
            fresh = {}
            stop_signals.stop_if_asked()
    cache.add(list(fresh), np.array(list(fresh.values()), np.float64))
    if problems:
        listed = "".join(f"\n  {problem}" for problem in problems[:5])
        more = f"\n  ... and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise DataError(f"acoustics: {len(problems)} of {len(missing)} clips cannot be measured{listed}{more}")


def _outcomes(acoustics: Acoustics, clips: list[Clip], processes: int) -> Iterator[dict[str, float] | str]:
    """Yield each clip's measurements, or an error message, in order."""
    chunks = [clips[start : start + _CHUNK] for start in range(0, len(clips), _CHUNK)]
    if processes == 0:
        for chunk in chunks:
            yield from _measure_chunk(acoustics, chunk)
        return
    # A fork of a process that runs threads, as torch does, may hang: start afresh.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, spawn, initializer=stop_signals.ignore) as pool:
        try:
            for outcomes in pool.map(_measure_chunk, [acoustics] * len(chunks), chunks):
                yield from outcomes
        finally:
            pool.shutdown(cancel_futures=True)


def _measure_chunk(acoustics: Acoustics, clips: Sequence[Clip]) -> list[dict[str, float] | str]:
    return [_measure_one(acoustics, *clip) for clip in clips]


def _measure_one(acoustics: Acoustics, file: str, start: float, end: float) -> dict[str, float] | str:
    seconds = min(end - start, LONGEST)
    segment = AudioSegment(file, start, None if math.isinf(end) else end)
    try:
        wave, length = read_crop(segment, AudioFormat(SAMPLE_RATE, seconds), position=0.0)
    except DataError as error:
        return str(error)
    return acoustics.measure(wave[:length], SAMPLE_RATE)


def _clip(row: Mapping[Any, Any]) -> Clip:
    start, end = row.get("start"), row.get("end")
    return (
        str(row["file"]),
        0.0 if start is None or math.isnan(start) else float(start),
        math.inf if end is None or math.isnan(end) else float(end),
    )


def _key(clip: Clip, sha256: str) -> bytes:
    """Return the cache key of a clip; path, size and time of change stand in for the hash of a file without one."""
    file, start, end = clip
    if not sha256:
        try:
            found = os.stat(file)
            sha256 = f"{file}|{found.st_size}|{found.st_mtime_ns}"
        except OSError:
            sha256 = file  # reading it will say what is wrong
    return key_of(_reading(), sha256, f"{start:.6f}", f"{end:.6f}")


@cache
def _reading() -> str:
    """Name the settings and libraries that decide which samples of a clip are measured."""
    return f"{SAMPLE_RATE} Hz, {LONGEST} s, soxr {version('soxr')}, libsndfile {soundfile.__libsndfile_version__}"


def _processes(acoustics: Acoustics, workers: int | None, clips: int) -> int:
    if workers is None:
        workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(max(workers, 1 if acoustics.isolated else 0), math.ceil(clips / _CHUNK))
