"""`lightning-cli caption`: the texts that a stage's data pair with its clips, as a table one can read.

Heavy imports happen in `run`, so that --help answers at once.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning_app.errors import ConfigError

if TYPE_CHECKING:
    import jsonargparse

    from datamodules.clips.data import ClipData

DESCRIPTION = (
    "Write the captions and tags of a stage's data as a table: `lightning-cli caption --config stages/clep.yaml` "
    "prints the first ten, and --out captions.csv writes them all, with the columns "
    "id, split, label, and one for each text. "
    "Options such as --data.manifest PATH win over the file, as they do in `fit`. A table that was written once is "
    "read again by --data.texts.caption datamodules.captions.CaptionFile --data.texts.caption.path captions.csv."
)
SHOWN = 10
# Sections of a stage's configuration that decide what the data are.
SECTIONS = ("data", "seed_everything")


def add_arguments(parser: "jsonargparse.ArgumentParser") -> None:
    """Declare the verb's arguments."""
    parser.description = DESCRIPTION
    parser.add_argument(
        "--config",
        type=str,
        action="append",
        required=True,
        help="The stage's file, such as stages/clep.yaml; once more for a file over it.",
    )
    parser.add_argument("--out", type=Path | None, default=None, help="Table to write (.csv or .parquet).")
    parser.add_argument(
        "--set", type=str, action="append", help="KEY=VALUE of the data, such as data.manifest=PATH; also --KEY VALUE."
    )


def as_options(arguments: Sequence[str]) -> list[str]:
    """Write dotted options, ``--data.manifest PATH`` or with ``=``, as values of ``--set``.

    >>> as_options(["--out", "a.csv", "--data.manifest", "m.csv", "--data.labels=six"])
    ['--out', 'a.csv', '--set=data.manifest=m.csv', '--set=data.labels=six']
    """
    written: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        key, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or key.split(".")[0] not in SECTIONS:
            written.append(word)
        else:
            has_value = equals or not rest or rest[0].startswith("--")
            written.append(f"--set={key}={value if has_value else rest.pop(0)}")
    return written


def run(config: "jsonargparse.Namespace") -> int:
    """Write the table and print its path, or print its first rows.

    Raises:
        ConfigError: If the configuration is wrong, or its data have no captions.
        DataError: If the data or what the captions are made of are not sound.
    """
    from datamodules.manifest.spreadsheet import escaped_table
    from datamodules.manifest.tables import write_table

    out: Path | None = config.out
    if out is not None and out.suffix not in (".csv", ".parquet"):
        raise ConfigError(f"--out {out}: found the ending {out.suffix!r}, expected .csv or .parquet")
    data = _data(config.config, [f"--{setting}" for setting in config.set or []])
    table = data.caption_table()
    if out is None:
        escaped_table(table.head(SHOWN)).to_csv(sys.stdout, index=False, lineterminator="\n")
        print(f"{min(SHOWN, len(table))} of {len(table)} rows; --out captions.csv writes them all", file=sys.stderr)
        return 0
    write_table(escaped_table(table) if out.suffix == ".csv" else table, out)
    print(out)
    if bins := data.caption_bins():
        beside = out.with_name(f"{out.stem}.bins.json")
        beside.write_text(json.dumps(bins, indent=1) + "\n", encoding="utf-8")
        print(beside)
    return 0


def _data(files: Sequence[str], words: Sequence[str]) -> "ClipData":
    """The data of a stage's configuration, without its model and trainer."""
    from datamodules.clips.data import ClipData
    from lightning_app.config.messages import short_parse_error, users_mistake
    from lightning_app.config.parser import read_data

    command = read_data(["fit", *(f"--config={file}" for file in files), *words])
    try:
        with command.trust.enforced():
            data: Any = command.parser.instantiate(command.config).data
    except ValueError as error:
        if users_mistake(error) is not None:
            raise
        raise ConfigError(short_parse_error(str(error), command.words)) from error
    if not isinstance(data, ClipData):
        raise ConfigError(f"data.class_path: {type(data).__name__} reads no clips, and has no captions of any")
    return data
