"""done.json: the last thing a stage writes into its run folder. A stage has succeeded when it is there."""

import contextlib
import json
import os
import platform
import socket
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lightning_app.config.files import ConfigError, is_file
from lightning_app.config.secrets import masked_words
from lightning_app.runs.fingerprint import Fingerprint, read_fingerprint, sha256
from lightning_app.runs.previous import forget

PACKAGES = ("emoclap", "torch", "lightning", "torchaudio", "transformers", "torchmetrics", "jsonargparse")


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
    content = read_json(folder / "done.json")
    if content is None:
        return None
    try:
        done = Done(**{**content, "fingerprint": read_fingerprint(content["fingerprint"])})
        if not (isinstance(done.outputs, dict) and isinstance(done.seconds, int | float)):
            raise TypeError("outputs or seconds are damaged")
        return done
    except (TypeError, KeyError) as error:
        raise ConfigError(
            f"{folder / 'done.json'}: not of this version ({error}); delete it to run the stage"
        ) from error


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
    write_json(folder / "done.json", asdict(done))
    forget(folder)
    return done


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
    """Write JSON through a temporary file in the same folder, so that a reader never meets half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2, ensure_ascii=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions
