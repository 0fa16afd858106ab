"""The clips that a label set has a class for, with their class numbers."""

import pandas as pd

from datamodules.errors import DataError
from datamodules.labels import LabelSet


def select_labeled(rows: pd.DataFrame, label_set: LabelSet) -> pd.DataFrame:
    """Select the rows whose emotion has a class, with ``label`` (its name) and ``target`` (its logit, from 0).

    Raises:
        DataError: If there is none.
    """
    emotions = rows["emotion"] if "emotion" in rows else pd.Series("", index=rows.index, dtype="str")
    labels = {emotion: label_set.label_of(emotion) for emotion in emotions.unique()}
    kept = rows.assign(label=emotions.map(labels))
    kept = kept[kept["label"].notna()]
    if kept.empty:
        found = ", ".join(sorted(emotion or "empty" for emotion in labels)) or "no rows"
        raise DataError(
            f"column 'emotion': no row belongs to the label set {label_set.name!r} ({', '.join(label_set.labels)}); "
            f"found: {found}"
        )
    return kept.assign(target=kept["label"].map(label_set.labels.index).astype("int64"))


def require_classes(rows: pd.DataFrame, label_set: LabelSet, purpose: str) -> None:
    """Refuse rows in which a class is missing.

    Args:
        rows: What ``select_labeled`` returned, or a part of it.
        label_set: The classes.
        purpose: What the rows are for, as the message says it, such as "training".

    Raises:
        DataError: With the classes that have no row.
    """
    present = set(rows["label"])
    missing = [label for label in label_set.labels if label not in present]
    left = ", ".join(label for label in label_set.labels if label in present)
    if missing:
        raise DataError(
            f"column 'emotion': no {purpose} row is {' or '.join(missing)}, which the label set {label_set.name!r} "
            f"holds; choose a label set without, or list the labels: [{left}]"
        )
