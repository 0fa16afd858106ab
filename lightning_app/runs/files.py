"""Files of a run folder: their names, which are written here and nowhere else, and moving an earlier run aside."""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from datamodules.files import replacing
from lightning_app.errors import ConfigError

# What a stage leaves.
BEST_CKPT = "best.ckpt"
LAST_CKPT = "last.ckpt"
CONFIG_YAML = "config.yaml"
METRICS_CSV = "metrics.csv"
CAPTIONS_CSV = "captions.csv"
BINS_JSON = "bins.json"
SKIPPED_CSV = "skipped.csv"

# What an evaluation leaves.
PREDICTIONS_PARQUET = "predictions.parquet"
RESULTS_CSV = "results.csv"
TRIALS_CSV = "trials.csv"
EMBEDDINGS_NPZ = "embeddings.npz"
REPORT_HTML = "report.html"

# How it was run: the first file of a run, the last one, and what a chain adds.
STARTED_JSON = "started.json"
DONE_JSON = "done.json"
LOG_TXT = "log.txt"
JOB_JSON = "job.json"
RUN_LOCK = "run.lock"
CHAIN_LOCK = "chain.lock"

# The folder of what lay here before, until the new run has succeeded.
PREVIOUS = "previous"

# Checkpoints, as patterns: the last one is what Lightning writes for a job that is put back into the queue.
CHECKPOINTS = (BEST_CKPT, LAST_CKPT, "hpc_ckpt_*")
EVALUATED = (PREDICTIONS_PARQUET, RESULTS_CSV, TRIALS_CSV, EMBEDDINGS_NPZ)
# What done.json vouches for.
OUTPUTS = (BEST_CKPT, *EVALUATED, SKIPPED_CSV)
# What a command that is refused later may have changed of what the folder says of its run.
RECORDS = (STARTED_JSON, CONFIG_YAML, DONE_JSON, SKIPPED_CSV)
# What a run has computed. done.json goes first: a folder that has it has the rest, too.
COMPUTED = (DONE_JSON, *CHECKPOINTS, *EVALUATED)
# What else a run writes, as patterns; other files of the folder stay. started.json goes last: where it lies, all does.
BESIDE = (
    f"{BEST_CKPT}.sha256*",
    f"{LAST_CKPT}.sha256*",
    CONFIG_YAML,
    METRICS_CSV,
    CAPTIONS_CSV,
    BINS_JSON,
    SKIPPED_CSV,
    STARTED_JSON,
)


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a JSON object, or None if there is no such file.

    Raises:
        ConfigError: If it is no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: damaged ({error}); delete it to run the stage again") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: damaged (no JSON object); delete it to run the stage again")
    return content


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON that is whole or not there."""
    with replacing(path) as part:
        part.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def holds_run(folder: Path) -> bool:
    """Whether a folder holds anything that a run has computed and another one would overwrite."""
    return next(_files(folder, COMPUTED), None) is not None


def set_aside(folder: Path) -> None:
    """Move the files of the run in a folder into its subfolder ``previous``.

    A successful run that lies there already has not been replaced by another success: it stays, and the run after it is
    deleted. One that was stopped is deleted itself. So ``previous`` holds files of a single run.
    """
    if not holds_run(folder):
        return
    previous = folder / PREVIOUS
    stopped = (previous / STARTED_JSON).exists() and not (previous / DONE_JSON).exists()
    if (folder / DONE_JSON).is_file() or stopped:
        shutil.rmtree(previous, ignore_errors=True)
    previous.mkdir(exist_ok=True)
    # started.json is moved last: with it, the run in there is complete.
    complete = (previous / STARTED_JSON).exists()
    for path in list(_files(folder, (*COMPUTED, *BESIDE))):
        if complete or (previous / path.name).exists():
            path.unlink(missing_ok=True)
        elif path.exists():
            path.rename(previous / path.name)


def forget(folder: Path) -> None:
    """Delete the run that was set aside; its successor is done."""
    shutil.rmtree(folder / PREVIOUS, ignore_errors=True)


def _files(folder: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
    for pattern in patterns:
        yield from (path for path in sorted(folder.glob(pattern)) if path.is_file())
