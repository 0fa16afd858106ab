"""Scan of a manifest's recordings, each decoded once: lengths, rates and hashes filled in, bad files listed."""

import multiprocessing
import os
from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from typing import Any

import pandas as pd

from datamodules import stop_signals
from datamodules.audio.decoding import TOLERANCE_SECONDS
from datamodules.audio.inspection import AudioInfo, inspect_all
from datamodules.errors import DataError
from datamodules.manifest.contents import Contents, Stamp, stamp_of

_CHUNK = 16  # files of one message between processes
# What takes longer to decode than processes take to start: bytes, or compressed files, which are small.
_WORTH_PROCESSES = 64 * 1024**2
_MANY_FILES = 1000


def measure(
    rows: pd.DataFrame,
    hashed: bool = True,
    progress: Callable[[int, int], None] | None = None,
    contents: Contents | None = None,
) -> tuple[pd.DataFrame, dict[int, str]]:
    """Fill in ``duration``, ``sample_rate``, ``sha256`` and ``oddity`` from the audio files, each decoded to its end.

    Args:
        rows: A manifest with ``file``, the absolute path; numbers that are there already are compared.
        hashed: Also compute sha256.
        progress: Called with the number of files read and the number of files.
        contents: Remembers the hashes, so that training on these files need not read them for that again.

    Returns:
        The rows whose file is usable, filled in; and for the other rows, by index, what is wrong.

    Raises:
        DataError: If a decoder crashed, which none may; the message names the file.
        datamodules.stop_signals.Stopped: If this process was asked to stop (see ``datamodules.stop_signals.noted``).
    """
    files = list(dict.fromkeys(rows["file"]))
    found: dict[str, AudioInfo | str] = {}
    stamps = {file: stamp_of(file) for file in files}
    size = sum(stamp[1] for stamp in stamps.values() if stamp)
    # Closed, so that no process outlives an error or a Ctrl-C here.
    with closing(_outcomes(files, hashed, size)) as outcomes:
        for file, outcome in zip(files, outcomes, strict=True):
            found[file] = outcome
            if progress is not None:
                progress(len(found), len(files))
    if contents is not None:
        hashes: dict[Stamp, str] = {}
        for file, info in found.items():
            stamp = stamps[file]
            if isinstance(info, AudioInfo) and info.sha256 and stamp is not None:
                hashes[stamp] = info.sha256
        contents.remember(hashes)
    return _fill_in(rows, found, hashed)


def _fill_in(
    rows: pd.DataFrame, found: Mapping[str, AudioInfo | str], hashed: bool
) -> tuple[pd.DataFrame, dict[int, str]]:
    filled: dict[int, dict[str, object]] = {}
    bad: dict[int, str] = {}
    for line, row in zip(rows.index.tolist(), rows.to_dict("records"), strict=True):
        info = found[str(row["file"])]
        if isinstance(info, str):
            bad[line] = info
            continue
        contradiction = _contradiction(row, info)
        if contradiction:
            bad[line] = contradiction
            continue
        start = _number(row, "start", 0.0)
        end = min(_number(row, "end", info.duration), info.duration)
        filled[line] = {"duration": end - start, "sample_rate": info.sample_rate, "oddity": info.oddity}
        if hashed:
            filled[line]["sha256"] = info.sha256
    good = rows.loc[list(filled)]
    good = good.assign(**pd.DataFrame(list(filled.values()), index=good.index))
    if "oddity" in good and not good["oddity"].any():
        good = good.drop(columns="oddity")
    return good, bad


def _outcomes(files: Sequence[str], hashed: bool, size: int) -> Generator[AudioInfo | str, None, None]:
    """Inspect files of this many bytes in all, and yield what is in each, or what is wrong with it, in order.

    Processes, not threads: a decoder that complains writes to the error stream of its whole process.
    """
    chunks = [files[start : start + _CHUNK] for start in range(0, len(files), _CHUNK)]
    if size < _WORTH_PROCESSES and len(files) <= _MANY_FILES:
        for chunk in chunks:
            stop_signals.stop_if_asked()
            yield from inspect_all(chunk, hashed)
        return
    processes = _processes(len(chunks))
    with _pool(processes) as pool:
        try:
            with stop_signals.held():
                pending = [pool.submit(inspect_all, chunk, hashed) for chunk in chunks]
            for number, future in enumerate(pending):
                stop_signals.stop_if_asked()
                try:
                    outcomes = future.result()
                except BrokenProcessPool as error:
                    # It breaks what waits, too; no more than these were being decoded, or next in turn.
                    at_work = chunks[number : number + 2 * processes + 1]
                    raise DataError(_crash([file for chunk in at_work for file in chunk], hashed)) from error
                yield from outcomes
        finally:
            pool.shutdown(cancel_futures=True)


def _crash(files: Sequence[str], hashed: bool) -> str:
    """Compose the message about a decoder that crashed on one of these files: each is tried again, alone."""
    with _pool(1) as pool:
        for file in files:
            try:
                with stop_signals.held():
                    attempt = pool.submit(inspect_all, [file], hashed)
                attempt.result()
            except BrokenProcessPool:
                return f"{file}: its decoder crashes, or needs more memory than there is; leave this file out"
    return (
        f"a decoder crashed between {files[0]} and {files[-1]}, and on none of them when each is decoded alone: it was "
        "killed for its memory; free some and start again"
    )


def _pool(processes: int) -> ProcessPoolExecutor:
    # A fork of a process that runs threads, as torch does, may hang: start afresh.
    return ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=stop_signals.ignore)


def _processes(chunks: int) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, chunks)


def _contradiction(row: Mapping[Hashable, Any], info: AudioInfo) -> str:
    """Compare the table with the file: a message about what differs, or nothing."""
    duration = info.duration
    start = _number(row, "start", 0.0)
    end = _number(row, "end", duration)
    rate = _number(row, "sample_rate", info.sample_rate)
    length = min(end, duration) - start
    if rate != info.sample_rate:
        return f"{row['file']}: the table says sample_rate {rate:g}, the file has {info.sample_rate} Hz"
    if start >= duration or end > duration + TOLERANCE_SECONDS:
        return f"{row['file']}: the table says {start:g} to {end:g} s, the file ends at {duration:.3f} s"
    if abs(_number(row, "duration", length) - length) > TOLERANCE_SECONDS:
        return f"{row['file']}: the table says duration {row['duration']:g} s, the clip has {length:.3f} s"
    if row.get("sha256") and info.sha256 and row["sha256"] != info.sha256:
        return f"{row['file']}: its sha256 is not the one in the table; the file has changed"
    return ""


def _number(row: Mapping[Hashable, Any], column: str, default: float) -> float:
    value = row.get(column)
    return default if value is None or pd.isna(value) else float(value)
