"""The manifest: the one table that every corpus becomes, a row per clip."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from datamodules.errors import DataError
from datamodules.labels import nearest
from datamodules.manifest.checks import check_rows, parse_numbers
from datamodules.manifest.clip_names import default_ids
from datamodules.manifest.tables import read_table, table_of, write_table

COLUMNS: dict[str, str] = {
    "id": "name of the clip, unique in the manifest; default: the file name without its ending, with its folders where "
    "several files have that name",
    "path": "audio file, relative to the manifest's folder, or absolute",
    "start": "where the clip begins in its file, in seconds; empty: at the beginning",
    "end": "where the clip ends in its file, in seconds; empty: at the end",
    "duration": "length of the clip, in seconds",
    "sample_rate": "of the file, in Hz",
    "corpus": "name of the corpus",
    "language": "ISO 639 code of the spoken language, such as de",
    "speaker": "name of the speaker, unique within the corpus; empty: unknown",
    "gender": "of the speaker: female, male, or empty",
    "session": "recording session or dialogue",
    "split": "train, dev, test, or empty",
    "transcript": "what is said",
    "emotion": "canonical noun of the vocabulary, such as anger; empty: not labelled",
    "valence": "1 (negative) to 7 (positive); empty: not rated",
    "arousal": "1 (calm) to 7 (excited); empty: not rated",
    "dominance": "1 (weak) to 7 (strong); empty: not rated",
    "soundscape": "acoustic surroundings, such as clean or babble",
    "sha256": "of the audio file, 64 hexadecimal digits; empty: not computed",
    "oddity": "what `prepare` heard: silent, constant, clipped or cancelled; empty: nothing odd",
}
NUMERIC = ("start", "end", "duration", "sample_rate", "valence", "arousal", "dominance")


def read_manifest(path: Path, check_files: bool = True) -> pd.DataFrame:
    """Read a CSV or Parquet manifest and check everything in it.

    Args:
        path: the manifest; its ending (.csv or .parquet) says which format.
        check_files: also require every audio file to be there.

    Returns:
        What `check_manifest` returns. The index, named `line`, is the line of the CSV file on which a row begins (the
        header is line 1), or the number of the row in a Parquet file.

    Raises:
        DataError: with the first five problems and how many there are in all.
    """
    return check_manifest(read_table(path), path, check_files)


def check_manifest(cells: pd.DataFrame, path: Path, check_files: bool = True) -> pd.DataFrame:
    """Check the cells of a manifest and give them their types.

    Args:
        cells: the table as `read_table` returns it.
        path: where it was read: paths are relative to its folder, and messages name it.
        check_files: also require every audio file to be there.

    Returns:
        A copy in which text columns of `COLUMNS` hold str ("" where empty), numeric and `fold_<protocol>` columns float
        (NaN where empty), and other columns are as they were; with `id` filled in where it was left out, and with
        `file`, the absolute path.

    Raises:
        DataError: with the first five problems and how many there are in all.
    """
    path = Path(path)
    rows = cells.copy()
    _require_path(rows, path)
    for name in [name for name in COLUMNS if name in rows and name not in NUMERIC]:
        rows[name] = rows[name].astype("str").fillna("")
    rows, problems = parse_numbers(
        rows, [str(name) for name in rows if name in NUMERIC or str(name).startswith("fold_")]
    )
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


def write_manifest(rows: pd.DataFrame | Sequence[Mapping[str, object]], path: Path) -> None:
    """Write a manifest at once or not at all: columns in the order of `COLUMNS`, then the others.

    Args:
        rows: a table, or a mapping per row. Where it has `file`, the absolute path, `path` is made from that: relative
            to the folder of the new manifest, unless it was absolute.
        path: the manifest; its ending (.csv or .parquet) says which format.

    Raises:
        DataError: there are no rows, or a cell cannot be written.
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
    for name in table:
        if name == "sample_rate" or str(name).startswith("fold_"):
            table[name] = table[name].astype("Int64")
    first = [name for name in COLUMNS if name in table]
    write_table(table[[*first, *(name for name in table if name not in COLUMNS)]], path)


def _require_path(rows: pd.DataFrame, path: Path) -> None:
    if "path" in rows:
        return
    found = [str(name) for name in rows]
    usual = (name for name in found if name.casefold() in ("file", "filename", "filepath", "wav", "audio"))
    close = next(usual, None) or nearest("path", found)
    remedy = f"{close!r} looks like it: rename it to 'path'" if close else "name the column of audio files 'path'"
    more = f" and {len(found) - 20} more" if len(found) > 20 else ""
    raise DataError(f"{path}:1 column 'path' is missing: found the columns {', '.join(found[:20])}{more}; {remedy}")
