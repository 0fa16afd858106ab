"""Captions from a file."""

import json
from collections.abc import Hashable
from pathlib import Path

import pandas as pd

from datamodules.captions.caption_validation import CaptionRules, require_valid
from datamodules.captions.source import CaptionSource
from datamodules.errors import DataError
from datamodules.manifest.spreadsheet import unescaped_table
from datamodules.manifest.tables import read_table, table_of


class CaptionFile(CaptionSource):
    """Captions that a person, a language model or ``lightning-cli caption`` wrote; joined to the clips by id.

    Captions of other clips are ignored. Captions are data: braces in them are not filled in.

    Args:
        path: CSV, Parquet, or jsonl (one JSON object a line).
        column: Of the captions.
        id_column: Of the clips' ids, as in the manifest.
        forbid_digits: Refuse captions with digits, as EmotionRankCLAP's prompt does.
        prefix: How every caption has to begin, such as "The person is speaking".
        max_words: The longest caption.

    Raises:
        DataError: If the file cannot be read, lacks a column, or has an id twice.
    """

    def __init__(
        self,
        path: Path,
        column: str = "caption",
        id_column: str = "id",
        forbid_digits: bool = False,
        prefix: str = "",
        max_words: int = 300,
    ) -> None:
        self.path = path
        self.rules = CaptionRules(prefix, forbid_digits, max_words)
        table = _read_json_lines(path) if path.suffix == ".jsonl" else read_table(path)
        if path.suffix == ".csv":
            table = unescaped_table(table)
        for name in (column, id_column):
            if name not in table:
                raise DataError(
                    f"{path}: column {name!r} is missing; found {', '.join(map(str, table))} "
                    "(data.texts.caption.init_args.column and id_column)"
                )
        ids = table[id_column].astype("str")
        twice = ids[ids.duplicated()]
        if len(twice):
            first = ids[ids == twice.iloc[0]].index[0]
            raise DataError(f"{path}:{twice.index[0]}: the id {twice.iloc[0]!r} stands in line {first} already")
        texts = table[column].astype("str").where(table[column].notna(), "")
        lines = zip(table.index, texts.str.strip(), strict=True)
        self._captions = dict(zip(ids, lines, strict=True))

    def write(self, rows: pd.DataFrame, train: pd.DataFrame) -> list[str]:
        nowhere: tuple[Hashable, None] = (None, None)
        found: dict[str, str | None] = {}
        for name in map(str, rows["id"]):
            line, text = self._captions.get(name, nowhere)
            found[name if text is None else f"{self.path}:{line} {name}"] = text
        require_valid(
            found,
            self.rules,
            f"each of these clips needs one in {self.path} (data.texts.caption.init_args.path)",
        )
        return [text for text in found.values() if text is not None]


def _read_json_lines(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    lines, records = [], []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}:{number}: not a JSON object in UTF-8 ({error})") from error
        if not isinstance(record, dict):
            raise DataError(f'{path}:{number}: found a {type(record).__name__}, expected {{"id": ..., "caption": ...}}')
        lines.append(number)
        records.append(record)
    if not records:
        raise DataError(f"{path}: the file is empty; expected a JSON object a line")
    table = table_of(records)
    table.index = pd.Index(lines, name="line")
    return table
