"""started.json and done.json: the first and the last thing that a run writes into its folder.

The folder says with the first whose files it holds. A stage has succeeded when the second is there.
"""

import contextlib
import os
import platform
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lightning_app.config.files import is_file
from lightning_app.config.secrets import masked_words
from lightning_app.errors import ConfigError
from lightning_app.runs.files import DONE_JSON, STARTED_JSON, forget, read_json, write_json
from lightning_app.runs.fingerprint import Fingerprint, read_fingerprint, sha256
from stages.release import release

PACKAGES = ("torch", "lightning", "torchaudio", "transformers", "torchmetrics", "jsonargparse")


@dataclass(frozen=True)
class Done:
    """What a finished stage says of itself.

    Args:
        command: The command line, as a person would type it.
        fingerprint: Of the configuration and inputs it started with.
        outputs: SHA-256 of each file it leaves, under its path relative to the run folder.
        metrics: Last value of what it logged.
        versions: Of Python and the packages.
        started: ISO 8601, UTC.
        finished: ISO 8601, UTC.
        seconds: Wall clock.
        host: Where it ran.
    """

    command: list[str]
    fingerprint: Fingerprint
    outputs: dict[str, str]
    metrics: dict[str, float]
    versions: dict[str, str]
    started: str
    finished: str
    seconds: float
    host: str

    def damage(self, folder: Path) -> str | None:
        """Say which output is no longer what the stage left, or None."""
        for name, digest in self.outputs.items():
            path = folder / name
            if not is_file(path):
                return f"output {name} is gone"
            if sha256(path) != digest:
                return f"output {name} was changed"
        return None


def read_done(folder: Path) -> Done | None:
    """Read ``done.json`` of a run folder; None if the stage has not finished.

    Raises:
        ConfigError: If the file cannot be read.
    """
    content = read_json(folder / DONE_JSON)
    if content is None:
        return None
    try:
        done = Done(**{**content, "fingerprint": read_fingerprint(content["fingerprint"])})
        if not (isinstance(done.outputs, dict) and isinstance(done.seconds, int | float)):
            raise TypeError("outputs or seconds are damaged")
        return done
    except (TypeError, KeyError) as error:
        raise ConfigError(f"{folder / DONE_JSON}: not of this version ({error}); delete it to run the stage") from error


def write_done(
    folder: Path,
    *,
    command: Sequence[str],
    fingerprint: Fingerprint,
    started: datetime,
    outputs: Sequence[Path] = (),
    metrics: Mapping[str, float] | None = None,
) -> Done:
    """Write ``done.json``, atomically: it is either whole or not there; the run that it replaces is now deleted.

    Args:
        folder: The run folder.
        command: The command line that ran.
        fingerprint: Computed when it started.
        started: When it started, with a time zone.
        outputs: The files it leaves, which must exist.
        metrics: Last values.
    """
    finished = datetime.now(UTC)
    done = Done(
        command=masked_words(command),
        fingerprint=fingerprint,
        outputs={os.path.relpath(path, folder): sha256(path) for path in outputs},
        metrics={name: float(value) for name, value in (metrics or {}).items()},
        versions=_versions(),
        started=started.isoformat(timespec="seconds"),
        finished=finished.isoformat(timespec="seconds"),
        seconds=round((finished - started).total_seconds(), 3),
        host=socket.gethostname(),
    )
    write_json(folder / DONE_JSON, asdict(done))
    forget(folder)
    return done


def write_started(folder: Path, command: Sequence[str], mark: Fingerprint) -> None:
    """Note which command has begun in a run folder.

    Args:
        folder: The run folder.
        command: The command line, as a person would type it.
        mark: The command's fingerprint.
    """
    write_json(
        folder / STARTED_JSON,
        {
            "command": masked_words(command),
            "fingerprint": asdict(mark),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "host": socket.gethostname(),
        },
    )


def read_started(folder: Path) -> Fingerprint | None:
    """Return the fingerprint of the command that began in a run folder; None if none did.

    Raises:
        ConfigError: If the file cannot be read.
    """
    content = read_json(folder / STARTED_JSON)
    if content is None:
        return None
    try:
        return read_fingerprint(content["fingerprint"])
    except (TypeError, KeyError) as error:
        raise ConfigError(f"{folder / STARTED_JSON}: damaged ({error}); delete it to run the stage again") from error


def duration(seconds: float) -> str:
    """Seconds as ``4.2 s``, ``42 s``, ``3 min 05 s`` or ``2 h 10 min``.

    >>> duration(185)
    '3 min 05 s'
    """
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _versions() -> dict[str, str]:
    # Not by the installation's metadata, which an editable one does not renew.
    versions = {"python": platform.python_version(), "emoclap": release()}
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions
