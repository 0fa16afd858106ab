"""predictions.parquet: what every system said of every clip, in long form: a row per clip, system and value.

| column    | type    | what it holds                                                                              |
| --------- | ------- | ------------------------------------------------------------------------------------------ |
| id        | text    | the clip, as the manifest names it                                                         |
| corpus    | text    | its corpus                                                                                 |
| speaker   | text    | its speaker; empty where not known                                                         |
| label_set | text    | the name of the set of classes                                                             |
| system    | text    | what recognised it, such as "zero-shot"                                                    |
| kind      | text    | score: of a class; rating: of a dimension; text: an answer in words                        |
| truth     | text    | score, text: the clip's class; null where not known                                        |
| true_value | float32 | rating: the clip's own rating on that dimension; NaN where not rated                      |
| label     | text    | score: the class; rating: the dimension; text: empty                                       |
| value     | float32 | score: a cosine or a logit, the largest wins; rating: 1 to 7; text: NaN                    |
| text      | text    | text: the answer                                                                           |
| seed      | integer | of the run                                                                                 |
| fold      | integer | of the protocol; null without one                                                          |

Rows are ordered by system and clip; the classes of a clip stand in the order of the logits.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datamodules.errors import DataError

SCORE, RATING, TEXT = "score", "rating", "text"
# What a clip brings along, whatever is said of it.
CLIP_COLUMNS = ("id", "corpus", "speaker", "label_set", "truth", "seed", "fold")
COLUMNS = (
    "id", "corpus", "speaker", "label_set", "system", "kind", "truth", "true_value", "label", "value", "text", "seed",
    "fold",
)  # fmt: skip
_WORDS = ("id", "corpus", "speaker", "label_set", "system", "kind", "truth", "label", "text")

Floats = NDArray[np.float32]


def score_rows(clips: pd.DataFrame, system: str, labels: Sequence[str], score_NC: Floats) -> pd.DataFrame:
    """Rows of a system that scores classes.

    Args:
        clips: N clips with ``CLIP_COLUMNS``.
        system: Its name.
        labels: The C classes, in the order of the columns.
        score_NC: The scores.
    """
    return _rows(clips, system, SCORE, labels).assign(value=score_NC.ravel())


def rating_rows(
    clips: pd.DataFrame, system: str, dimensions: Sequence[str], rating_NR: Floats, truth_NR: Floats
) -> pd.DataFrame:
    """Rows of a system that rates dimensions.

    Args:
        clips: N clips with ``CLIP_COLUMNS``.
        system: Its name.
        dimensions: The R dimensions, in the order of the columns.
        rating_NR: What the system says.
        truth_NR: What the manifest says; NaN where not rated.
    """
    rows = _rows(clips, system, RATING, dimensions)
    return rows.assign(truth=None, value=rating_NR.ravel(), true_value=truth_NR.ravel())


def text_rows(clips: pd.DataFrame, system: str, texts: Sequence[str]) -> pd.DataFrame:
    """Rows of a system that answers in words: one text for each of the clips, which have ``CLIP_COLUMNS``."""
    return _rows(clips, system, TEXT, [""]).assign(text=list(texts))


def _rows(clips: pd.DataFrame, system: str, kind: str, labels: Sequence[str]) -> pd.DataFrame:
    rows = clips.loc[clips.index.repeat(len(labels)), list(CLIP_COLUMNS)].reset_index(drop=True)
    repeated = np.tile(np.array(labels, dtype=object), len(clips))
    return rows.assign(system=system, kind=kind, label=repeated, text=None, value=np.nan, true_value=np.nan)


def joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The rows of all systems as one table, ordered, with the columns and types of the file."""
    table = pd.concat(parts, ignore_index=True).reindex(columns=list(COLUMNS))
    types = dict.fromkeys(_WORDS, "category") | {"value": "float32", "true_value": "float32", "fold": "Int64"}
    return table.astype(types).sort_values(["system", "id"], kind="stable", ignore_index=True)


def read_predictions(path: Path) -> pd.DataFrame:
    """Read predictions.parquet; columns of text are categories.

    Raises:
        DataError: If the file cannot be read, or lacks a column.
    """
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {error}; delete the folder and run the chain again") from error
    absent = [column for column in COLUMNS if column not in table]
    if absent:
        raise DataError(f"{path}: no column {', '.join(absent)}; expected {', '.join(COLUMNS)}")
    return table.astype(dict.fromkeys(_WORDS, "category"))


def answers(predictions: pd.DataFrame) -> pd.DataFrame:
    """Each clip's class by each system that scores classes: the row with the largest value, of equal ones the first."""
    scores = predictions[predictions["kind"] == SCORE]
    best = scores.sort_values("value", ascending=False, kind="stable").drop_duplicates(["system", "id"])
    return best.sort_index()
