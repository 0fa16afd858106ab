"""The results as Markdown, with what they were measured on."""

import os
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from statistics import median

import soundfile
import torch

from benchmarks.timing import Row, median_interval

PACKAGES = ("torch", "torchaudio", "lightning", "transformers", "soundfile", "soxr", "numpy")


def environment() -> str:
    """One line on the hardware, one on the versions."""
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return (
        f"{_processor()}, {os.cpu_count()} logical cores, {torch.get_num_threads()} threads used, "
        f"{platform.system()} {platform.machine()}.\n"
        f"Python {platform.python_version()}, {versions}, libsndfile {soundfile.__libsndfile_version__}."
    )


def markdown(rows: Iterable[Row]) -> str:
    """A table with a row for each comparison."""
    lines = [
        "| what | against | ours | theirs | theirs / ours | 95 % interval | ours / ours |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        low, high = median_interval(row.ratios)
        noise, ratio = median_interval(row.noise), _short(median(row.ratios))
        lines.append(
            f"| {row.name} | {row.opponent} | {_time(row.ours)} | {_time(row.theirs)} | **{ratio}** "
            f"| {_short(low)} to {_short(high)} | {noise[0]:.2f} to {noise[1]:.2f} |"
        )
    return "\n".join(lines)


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def _short(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.3g}"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.is_file() else []
    return names[0].partition(":")[2].strip() if names else platform.processor() or "unknown processor"
