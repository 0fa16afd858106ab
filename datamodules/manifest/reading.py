"""Reading, checking and writing of manifests."""

import os
import posixpath
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from datamodules.corpora import prepare_command
from datamodules.errors import DataError
from datamodules.labels import nearest
from datamodules.manifest.checks import check_rows, parse_numbers
from datamodules.manifest.columns import COLUMNS, NUMERIC, fold_columns
from datamodules.manifest.tables import read_table, table_of, write_table


def read_manifest(path: Path, check_files: bool = True) -> pd.DataFrame:
    """Read a CSV or Parquet manifest and check everything in it.

    Args:
        path: The manifest, .csv or .parquet.
        check_files: Also require every audio file to be there.

    Returns:
        What ``check_manifest`` returns. The index, named ``line``, is the line of the CSV file on which a row begins
        (the header is line 1), or the number of the row in a Parquet file.

    Raises:
        DataError: With the first five problems and how many there are in all.
    """
    return check_manifest(read_table(path), path, check_files)


def check_manifest(cells: pd.DataFrame, path: Path, check_files: bool = True) -> pd.DataFrame:
    """Check the cells of a manifest and give them their types.

    Args:
        cells: The table as ``read_table`` returns it.
        path: Where it was read: paths are relative to its folder, and messages name it.
        check_files: Also require every audio file to be there.

    Returns:
        A copy in which text columns of ``COLUMNS`` hold str ("" where empty), numeric and ``fold_<protocol>`` columns
        float (NaN where empty), and other columns are as they were; with ``id`` filled in where it was left out, and
        with ``file``, the absolute path.

    Raises:
        DataError: With the first five problems and how many there are in all.
    """
    path = Path(path)
    rows = cells.copy()
    _require_path(rows, path)
    for name in COLUMNS:
        if name in rows and name not in NUMERIC:
            rows[name] = rows[name].astype("str").fillna("")
    numeric = [name for name in NUMERIC if name in rows]
    rows, problems = parse_numbers(rows, [*numeric, *fold_columns(rows)])
    paths = rows["path"].tolist()
    named = rows["id"] if "id" in rows else pd.Series("", index=rows.index, dtype="str")
    rows["id"] = named.where(named != "", pd.Series(default_ids(paths), index=rows.index, dtype="str"))
    folder = path.absolute().parent
    rows["file"] = [os.path.normpath(os.path.join(folder, text)) for text in paths]
    problems += check_rows(rows, check_files)
    if problems:
        problems.sort(key=lambda problem: problem.line)
        listed = "\n".join(f"  {path.name}:{problem.line} {problem.text}" for problem in problems[:5])
        more = f"\n  ... and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise DataError(f"{path}: {len(problems)} problem{'s' * (len(problems) > 1)}\n{listed}{more}")
    return rows


def require_manifest(path: Path) -> None:
    """Refuse a manifest that is no file.

    Raises:
        DataError: With the tables in it, if it is a folder, or with the command that makes it.
    """
    if path.is_dir():
        tables = sorted(file for ending in ("csv", "parquet") for file in path.glob(f"*.{ending}"))
        if tables:
            remedy = f"name the table in it: {' or '.join(map(str, tables[:3]))}"
        else:  # recordings alone have to be listed in a table first
            remedy = (
                "expected a table of clips: write a CSV with the column path, a row per recording, and check it by "
                f"lightning-cli prepare table my.csv --out {path / 'manifest.csv'}"
            )
        raise DataError(f"data.init_args.manifest: {path} is a folder; {remedy}")
    if not path.is_file():
        looked = "" if path.is_absolute() else f" (looked for {path.absolute()})"
        raise DataError(f"data.init_args.manifest: {path} is not there{looked}; make it: {prepare_command(path)}")


def write_manifest(rows: pd.DataFrame | Sequence[Mapping[str, object]], path: Path) -> None:
    """Write a manifest at once or not at all: columns in the order of ``COLUMNS``, then the others.

    Args:
        rows: A table, or a mapping per row. Where it has ``file``, the absolute path, ``path`` is made from that:
            relative to the folder of the new manifest, unless it was absolute.
        path: The manifest, .csv or .parquet.

    Raises:
        DataError: If there are no rows, or a cell cannot be written.
    """
    path = Path(path)
    table = rows.copy() if isinstance(rows, pd.DataFrame) else table_of(rows)
    if table.empty:
        raise DataError(f"{path}: there are no rows to write")
    if "file" in table:
        folder = path.absolute().parent
        given = table["path"] if "path" in table else [""] * len(table)
        table["path"] = [
            text if os.path.isabs(text) else Path(os.path.relpath(file, folder)).as_posix()
            for text, file in zip(given, table["file"], strict=True)
        ]
        table = table.drop(columns="file")
    for name in ("sample_rate", *fold_columns(table)):
        if name in table:
            table[name] = table[name].astype("Int64")
    first = [name for name in COLUMNS if name in table]
    others = [name for name in table if name not in COLUMNS]
    write_table(table[[*first, *others]], path)


def default_ids(paths: Sequence[str]) -> list[str]:
    """Name each clip by its file, without its ending, as long as no other file has that name.

    Files of one name in several folders (``angry/001.wav``, ``happy/001.wav``) are named with their folders, and files
    that differ in nothing but their endings with those, too. Folders that all absolute paths have in common are left
    out: they tell of a corpus's location, not of a clip. Clips of one and the same file share its name.
    """
    slashed = [posixpath.normpath(path.replace("\\", "/")) if path else "" for path in paths]
    folders = {posixpath.dirname(path) for path in slashed if posixpath.isabs(path)}
    common = posixpath.join(posixpath.commonpath(folders), "") if folders else ""
    namings: tuple[Callable[[str], str], ...] = (
        lambda path: os.path.splitext(os.path.basename(path))[0],
        lambda path: os.path.splitext(path.removeprefix(common))[0],
        lambda path: path.removeprefix(common),
        lambda path: path,
    )
    names: dict[str, str] = {}
    unnamed = list(dict.fromkeys(slashed))
    for naming in namings:
        same_name: defaultdict[str, list[str]] = defaultdict(list)
        for path in unnamed:
            same_name[naming(path)].append(path)
            names[path] = naming(path)
        unnamed = [path for together in same_name.values() if len(together) > 1 for path in together]
    return [names[path] for path in slashed]


def _require_path(rows: pd.DataFrame, path: Path) -> None:
    if "path" in rows:
        return
    found = [str(name) for name in rows]
    usual = (name for name in found if name.casefold() in ("file", "filename", "filepath", "wav", "audio"))
    close = next(usual, None) or nearest("path", found)
    remedy = f"{close!r} looks like it: rename it to 'path'" if close else "name the column of audio files 'path'"
    more = f" and {len(found) - 20} more" if len(found) > 20 else ""
    raise DataError(f"{path}:1 column 'path' is missing: found the columns {', '.join(found[:20])}{more}; {remedy}")
