"""Learning curves as one CSV file in the run folder."""

from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import rank_zero_only

from lightning_app.runs.files import METRICS_CSV


class RunLogger(CSVLogger):
    """Writes ``metrics.csv`` straight into the run folder; a resumed run goes on with the rows that are there.

    Args:
        folder: The run folder.
        resume: Keep the rows of the interrupted run.
    """

    def __init__(self, folder: Path, resume: bool) -> None:
        earlier = folder / METRICS_CSV
        rows = earlier.read_bytes() if resume and earlier.is_file() else b""
        # Lightning's writer warns of a folder that is not empty and removes the file; ours is put back below.
        if _is_rank_zero():
            earlier.unlink(missing_ok=True)
        super().__init__(save_dir=folder, name="", version="", flush_logs_every_n_steps=1000)
        if rows and _is_rank_zero():
            writer = self.experiment
            earlier.write_bytes(rows)
            writer.metrics_keys = rows.decode().splitlines()[0].split(",")

    def log_hyperparams(self, params: Any = None) -> None:
        """Nothing: config.yaml holds them all."""


def _is_rank_zero() -> bool:
    """Whether this process writes files; Lightning sets the rank before it makes loggers, on every launcher."""
    return bool(getattr(rank_zero_only, "rank", 0) == 0)
