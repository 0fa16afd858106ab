"""The files of a run folder. Their names are written here and nowhere else."""

import json
from collections.abc import Mapping
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
