"""Rows of a manifest selected by split, by cross-validation fold and by label set."""

from typing import Literal

import pandas as pd

from datamodules.errors import DataError
from datamodules.labels import LabelSet
from datamodules.manifest.columns import fold_columns


def select_split(rows: pd.DataFrame, split: str) -> pd.DataFrame:
    """Select the rows of one split.

    Raises:
        DataError: If no row is in that split.
    """
    sizes = rows["split"].value_counts() if "split" in rows else pd.Series(dtype="int64")
    if split not in sizes.index:
        found = ", ".join(f"{name or 'empty'} {count}" for name, count in sorted(sizes.items())) or "no such column"
        protocols = [column.removeprefix("fold_") for column in fold_columns(rows)]
        remedy = "or let `prepare` make fold columns"
        if protocols:
            options = [f"--data.split.protocol {name}" for name in protocols]
            remedy = f"or split by a fold column: {' or '.join(options)}"
        raise DataError(f"column 'split': no row is {split!r} (found: {found}); fill the column, {remedy}")
    return rows[rows["split"] == split]


def assign_fold(rows: pd.DataFrame, protocol: str, fold: int, dev: Literal["next"] | None = None) -> pd.DataFrame:
    """Assign the splits of one round of cross-validation.

    Args:
        rows: A manifest with the column ``fold_<protocol>``.
        protocol: Such as speaker, for the column fold_speaker.
        fold: The fold to test on.
        dev: ``next`` takes the following fold (after the last, the first) for choices such as when to stop; None leaves
            every other fold to training.

    Returns:
        A copy of the rows, with split "test", "dev" or "train", and "" for rows that are in no fold.

    Raises:
        DataError: If there is no such protocol or fold, or nothing would remain for training.
    """
    column = f"fold_{protocol}"
    if column not in rows:
        found = ", ".join(fold_columns(rows)) or "none"
        raise DataError(f"column {column!r} is missing; fold columns in this manifest: {found}")
    folds = sorted(int(value) for value in rows[column].dropna().unique())
    if fold not in folds:
        raise DataError(
            f"column {column!r}: found no fold {fold}, expected one of {', '.join(map(str, folds)) or 'none'}"
        )
    held_out = {fold: "test"}
    if dev == "next":
        following = folds[(folds.index(fold) + 1) % len(folds)]
        held_out[following] = "dev"
    if len(folds) < 2 or len(folds) == len(held_out):
        remedy = "leave out the dev fold (dev: null)" if len(folds) > 1 else "choose another protocol"
        raise DataError(f"column {column!r} has {len(folds)} folds, so nothing remains for training; {remedy}")
    splits = rows[column].map(held_out).fillna("train")
    return rows.assign(split=splits.where(rows[column].notna(), "").astype("str"))


def select_labeled(rows: pd.DataFrame, label_set: LabelSet) -> pd.DataFrame:
    """Select the rows whose emotion has a class, with ``label`` (its name) and ``target`` (its logit, from 0).

    Raises:
        DataError: If there is none.
    """
    emotions = rows["emotion"] if "emotion" in rows else pd.Series("", index=rows.index, dtype="str")
    labels = {emotion: label_set.label_of(emotion) for emotion in emotions.unique()}
    labeled = rows.assign(label=emotions.map(labels))
    labeled = labeled[labeled["label"].notna()]
    if labeled.empty:
        found = ", ".join(sorted(emotion or "empty" for emotion in labels)) or "no rows"
        raise DataError(
            f"column 'emotion': no row belongs to the label set {label_set.name!r} ({', '.join(label_set.labels)}); "
            f"found: {found}"
        )
    return labeled.assign(target=labeled["label"].map(label_set.labels.index).astype("int64"))


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
    if missing:
        left = ", ".join(label for label in label_set.labels if label in present)
        raise DataError(
            f"column 'emotion': no {purpose} row is {' or '.join(missing)}, which the label set {label_set.name!r} "
            f"holds; choose a label set without, or list the labels: [{left}]"
        )
