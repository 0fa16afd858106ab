"""Tables of a user's own corpus, with at least a column ``path``, and labels in words of their own."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from datamodules.errors import DataError
from datamodules.labels import EMOTIONS, did_you_mean, nearest_emotion
from datamodules.manifest.reading import check_manifest
from datamodules.manifest.tables import read_table


def table_rows(path: Path, mapping: Mapping[str, str], check_files: bool = True) -> pd.DataFrame:
    """Read a table and translate its labels.

    Args:
        path: A CSV or Parquet table; its columns are the manifest's.
        mapping: From its words for emotions to canonical nouns; a word mapped to "" is left without a label.
        check_files: Also require every audio file to be there.

    Raises:
        DataError: If a label is neither canonical nor in the mapping, or a cell is not what a manifest may hold.
    """
    cells = read_table(path)
    if "emotion" in cells:
        cells["emotion"] = cells["emotion"].astype("str").fillna("").replace(dict(mapping))
        _require_known(cells["emotion"], path)
    return check_manifest(cells, path, check_files)


def read_mapping(options: Sequence[str]) -> dict[str, str]:
    """Read label mappings, each ``word=noun`` or a CSV file with the columns ``label`` and ``emotion``.

    Raises:
        DataError: If an option is of another form, a noun is not canonical, or a word is mapped twice.
    """
    mapping: dict[str, str] = {}
    for option in options:
        for word, noun in _pairs(option):
            if noun and noun not in EMOTIONS:
                several = "=" in noun and "," in noun
                hint = "; one --map for each label" if several else did_you_mean(nearest_emotion(noun))
                raise DataError(f"--map {option}: found {noun!r}, expected one of {', '.join(EMOTIONS)}{hint}")
            if mapping.setdefault(word, noun) != noun:
                raise DataError(f"--map {option}: {word!r} is mapped to {mapping[word]!r} already; name it once")
    return mapping


def _pairs(option: str) -> list[tuple[str, str]]:
    if option.endswith(".csv"):
        table = read_table(Path(option))
        if not {"label", "emotion"} <= set(table):
            raise DataError(f"{option}:1 found the columns {', '.join(map(str, table))}, expected label and emotion")
        return list(zip(table["label"], table["emotion"], strict=True))
    word, equals, noun = option.partition("=")
    if not equals:
        raise DataError(f"--map {option}: expected word=emotion, such as hap=happiness, or a CSV file")
    return [(word, noun)]


def _require_known(emotions: pd.Series, path: Path) -> None:
    counts = emotions[~emotions.isin([*EMOTIONS, ""])].value_counts()
    if counts.empty:
        return
    listed: list[str] = []
    proposed: list[str] = []
    for word, count in zip(map(str, counts.index[:10]), counts.tolist(), strict=False):
        line = emotions.index[emotions == word][0]
        noun = nearest_emotion(word)
        rows = f"{count} row{'s' * (count > 1)}, first in line {line}"
        option = f"--map {shlex.quote(word + '=' + (noun or ''))}"
        far = "" if noun else "  (no emotion is near; this leaves them without a label)"
        listed.append(f"  {word!r} ({rows}): {option}{far}")
        if noun:
            proposed.append(option)
    if len(proposed) > 1:
        listed.append(f"  all of them, if they are right: {' '.join(proposed)}")
    listed.append(f"  vocabulary: {', '.join(EMOTIONS)}")
    raise DataError(
        f"{path}: column 'emotion' has {len(counts)} labels that are not in the vocabulary; translate each by "
        "--map word=emotion\n" + "\n".join(listed)
    )
