"""MSP-Podcast: speaking turns of podcasts, English, with ratings by five listeners or more (Lotfian and Busso, 2017).

The label N, H, S, A, D, C, F or U is what most listeners chose, O what none of these covers. X says that they did not
agree: such a clip is without an emotion, and has its ratings all the same.
"""

import logging
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pandas as pd

from datamodules.corpora import Corpus, Row, find_clips
from datamodules.errors import DataError
from datamodules.labels import LABEL_SETS
from datamodules.manifest.tables import read_table

logger = logging.getLogger(__name__)

TABLE = "labels_consensus.csv"
LAYOUT = f"MSP-Podcast: {TABLE} in Labels/, and a folder Audios/ with files such as MSP-PODCAST_0001_0008.wav"
EMOTIONS = {
    "A": "anger",
    "C": "contempt",
    "D": "disgust",
    "F": "fear",
    "H": "happiness",
    "N": "neutral",
    "O": "other",
    "S": "sadness",
    "U": "surprise",
    "X": "",
}
# The papers test on Test1 alone; the other two are in no split, and the column `test_set` tells them.
SPLITS = {"Train": "train", "Development": "dev", "Validation": "dev", "Test1": "test", "Test2": "", "Test3": ""}
GENDERS = {"Female": "female", "Male": "male"}
RATING_COLUMNS = {"EmoVal": "valence", "EmoAct": "arousal", "EmoDom": "dominance"}
COLUMNS = ("FileName", "EmoClass", *RATING_COLUMNS, "SpkrID", "Gender", "Split_Set")


def read_rows(root: Path) -> list[Row]:
    """Read rows of all clips that labels_consensus.csv lists, with names such as MSP-PODCAST_0001_0008: podcast, turn.

    `session` is the podcast. Speakers that the corpus does not name are left empty.

    Raises:
        DataError: If there is no such corpus, no table or two, or a cell is not as published, with its line.
    """
    root = Path(root).absolute()
    clips = find_clips(root, r"MSP-PODCAST_(?P<podcast>\d+)(_\d+)+", LAYOUT)
    files = {path.name: path for path, _ in clips}
    path = _table(root)
    table = read_table(path)
    if missing := [name for name in COLUMNS if name not in table]:
        raise DataError(f"{path}:1 column {missing[0]!r} is missing; expected the columns {', '.join(COLUMNS)}")
    _require_valid(table, path)
    if unlisted := sorted(files.keys() - set(table["FileName"])):
        logger.warning("%s: %d wav files are left out, because %s does not list them", root, len(unlisted), TABLE)
    folder = clips[0][0].parent  # where a file that is missing should lie
    return [_row(cells, files.get(cells["FileName"], folder / cells["FileName"])) for cells in table.to_dict("records")]


def _table(root: Path) -> Path:
    found = [path for pattern in (TABLE, f"*/{TABLE}", f"*/*/{TABLE}") for path in sorted(root.glob(pattern))]
    if len(found) != 1:
        listed = " and ".join(map(str, found[:2])) or "none"
        raise DataError(f"{root}: expected one {TABLE}, found {listed}; name the folder of one release")
    return found[0]


def _row(cells: dict[Hashable, Any], file: Path) -> Row:
    split = cells["Split_Set"]
    return {
        "id": file.stem,
        "file": str(file),
        "corpus": "msp_podcast",
        "language": "en",
        "speaker": "" if cells["SpkrID"] == "Unknown" else cells["SpkrID"],
        "gender": GENDERS.get(cells["Gender"], ""),
        "session": file.stem.split("_")[1],
        "split": SPLITS[split],
        "test_set": split if split.startswith("Test") else "",
        "emotion": EMOTIONS[cells["EmoClass"]],
        **{name: float(cells[column]) if cells[column] else None for column, name in RATING_COLUMNS.items()},
    }


def _require_valid(table: pd.DataFrame, path: Path) -> None:
    """Refuse a table with anything that would be guessed at, and name the first five."""
    names = table["FileName"]
    wrong = _wrong(names[~names.str.fullmatch(r"MSP-PODCAST_\d+(_\d+)+\.wav")], "such as MSP-PODCAST_0001_0008.wav")
    wrong += _wrong(names[names.duplicated()], "each file once")
    for column, known in (("EmoClass", EMOTIONS), ("Split_Set", SPLITS)):
        wrong += _wrong(table[column][~table[column].isin(list(known))], f"one of {', '.join(known)}")
    for column in RATING_COLUMNS:
        rated = pd.to_numeric(table[column], errors="coerce").between(1, 7)
        wrong += _wrong(table[column][~rated & (table[column] != "")], "1 to 7, or nothing")
    if wrong:
        listed = "".join(f"\n  {path.name}:{line} {problem}" for line, problem in sorted(wrong)[:5])
        raise DataError(f"{path}: {len(wrong)} cells are not as published{listed}")


def _wrong(cells: pd.Series, expected: str) -> list[tuple[int, str]]:
    lines: list[int] = cells.index.tolist()
    return [
        (line, f"column {cells.name!r}: found {cell!r}, expected {expected}")
        for line, cell in zip(lines, cells.tolist(), strict=True)
    ]


CORPUS = Corpus(
    name="msp_podcast",
    title="MSP-Podcast",
    license="for research, by agreement with the University of Texas at Dallas",
    label_set=LABEL_SETS["mead8"],
    rows=read_rows,
    # SmoothCLAP, section 3.1 (all, and those with agreement); EmotionRankCLAP, section 4.1 (neither X nor O).
    releases={55283: "1.9", 45619: "1.9", 90022: "1.12"},
)
