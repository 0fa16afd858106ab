"""A manifest that is missed where the command runs, and lies beside the configuration file that names it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datamodules.errors import DataError
from lightning_app.config.files import is_file


def require_not_beside(data: Mapping[str, Any], words: Sequence[str]) -> None:
    """Say that paths are relative to the current folder, where a manifest was meant relative to its file.

    Args:
        data: The command's ``data`` section.
        words: The command line, with its configuration files.

    Raises:
        DataError: If the manifest is missing here, and is there beside a configuration file; names both.
    """
    named = (data.get("init_args") or {}).get("manifest")
    if named is None or Path(named).is_absolute() or Path(named).exists():
        return
    for word in words:
        beside = Path(word.partition("=")[2] if word.startswith("--") else word).parent / named
        if word.endswith(".yaml") and is_file(beside):
            raise DataError(
                f"data.init_args.manifest: {named} is not there (looked for {Path(named).absolute()}), and lies beside "
                f"{word.removeprefix('--config=')}; paths in it are relative to the folder where the command runs: "
                f"--data.manifest {beside}"
            )
