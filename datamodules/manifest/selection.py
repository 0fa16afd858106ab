"""The clips that a label view can use, with their class numbers."""

import pandas as pd

from datamodules.errors import DataError
from datamodules.labels import LabelSet


def select_view(rows: pd.DataFrame, view: LabelSet) -> pd.DataFrame:
    """The rows whose emotion belongs to a view, with `label` (its name in the view) and `target` (its logit, from 0).

    Raises:
        DataError: no row belongs to the view.
    """
    emotions = rows["emotion"] if "emotion" in rows else pd.Series("", index=rows.index, dtype="str")
    labels = {emotion: view.label_of(emotion) for emotion in emotions.unique()}
    kept = rows.assign(label=emotions.map(labels))
    kept = kept[kept["label"].notna()]
    if kept.empty:
        found = ", ".join(sorted(emotion or "empty" for emotion in labels)) or "no rows"
        raise DataError(
            f"column 'emotion': no row belongs to the view {view.name!r} ({', '.join(view.labels)}); found: {found}"
        )
    return kept.assign(target=kept["label"].map(view.labels.index).astype("int64"))


def require_classes(rows: pd.DataFrame, view: LabelSet, purpose: str) -> None:
    """Refuse rows of a view in which a class is missing.

    Args:
        rows: what `select_view` returned, or a part of it.
        view: the view.
        purpose: what the rows are for, as the message says it, such as "training".

    Raises:
        DataError: with the classes that have no row.
    """
    present = set(rows["label"])
    missing = [label for label in view.labels if label not in present]
    left = ", ".join(label for label in view.labels if label in present)
    if missing:
        raise DataError(
            f"column 'emotion': no {purpose} row is {' or '.join(missing)}, which the view {view.name!r} holds; "
            f"choose a view without, or list the labels: [{left}]"
        )
