"""Measurements that are kept from run to run."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pandas as pd

from datamodules.acoustics.measures import Acoustics
from datamodules.manifest.tables import write_table


class MeasureCache:
    """Numbers by clip, in memory and on disk.

    Every `add` writes a Parquet file of its own, at once or not at all, so that runs side by side do not disturb each
    other. A damaged file is removed and its clips are measured anew; a folder that cannot be written is done without.

    Args:
        acoustics: Whose numbers these are.
        folder: Where; None keeps them in memory alone. By default what `datamodules.cache.cache_folder` says.
    """

    def __init__(self, acoustics: Acoustics, folder: Path | None) -> None:
        self.columns = list(acoustics.columns)
        self.folder = folder and folder / "acoustics" / f"{acoustics.name}-{acoustics.version}"
        self.known: dict[str, dict[str, float]] = {}
        for file in sorted(self.folder.glob("*.parquet")) if self.folder else []:
            self.known.update(self._read(file))

    def add(self, measured: Mapping[str, Mapping[str, float]]) -> None:
        """Keep numbers by key."""
        self.known.update({key: dict(numbers) for key, numbers in measured.items()})
        if self.folder is None or not measured:
            return
        table = pd.DataFrame({"clip": list(measured)})
        for column in self.columns:
            table[column] = [numbers[column] for numbers in measured.values()]
        name = hashlib.sha256("\n".join(measured).encode()).hexdigest()[:32]
        try:
            write_table(table, self.folder / f"{name}.parquet")
        except OSError:
            self.folder = None

    def _read(self, file: Path) -> dict[str, dict[str, float]]:
        try:
            table = pd.read_parquet(file).set_index("clip")[self.columns].astype(float)
        except (OSError, ValueError, KeyError):
            with suppress(OSError):
                file.unlink(missing_ok=True)
            return {}
        return {str(key): dict(zip(self.columns, numbers, strict=True)) for key, *numbers in table.itertuples()}
