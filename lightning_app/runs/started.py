"""started.json: the first thing a command writes into its run folder, so that the folder says what is in it."""

import socket
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from lightning_app.config.files import ConfigError
from lightning_app.config.secrets import masked_words
from lightning_app.runs.done import read_json, write_json
from lightning_app.runs.fingerprint import Fingerprint, read_fingerprint
from lightning_app.runs.previous import STARTED


def write_started(folder: Path, command: Sequence[str], mark: Fingerprint) -> None:
    """Note which command has begun in a run folder.

    Args:
        folder: The run folder.
        command: The command line, as a person would type it.
        mark: The command's fingerprint.
    """
    write_json(
        folder / STARTED,
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
    content = read_json(folder / STARTED)
    if content is None:
        return None
    try:
        return read_fingerprint(content["fingerprint"])
    except (TypeError, KeyError) as error:
        raise ConfigError(f"{folder / STARTED}: damaged ({error}); delete it to run the stage again") from error
