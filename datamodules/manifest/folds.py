"""Which clips train and which test: the `split` and `fold_<protocol>` columns of a manifest, read and made."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from datamodules.errors import DataError
from datamodules.manifest.balance import deal


def select_split(rows: pd.DataFrame, split: str) -> pd.DataFrame:
    """The rows of one split.

    Raises:
        DataError: no row is in that split.
    """
    sizes = rows["split"].value_counts() if "split" in rows else pd.Series(dtype="int64")
    if split not in sizes.index:
        found = ", ".join(f"{name or 'empty'} {count}" for name, count in sorted(sizes.items())) or "no such column"
        protocols = [str(name).removeprefix("fold_") for name in rows if str(name).startswith("fold_")]
        choose = " or ".join(f"--data.split.protocol {name}" for name in protocols)
        remedy = f"or split by a fold column: {choose}" if protocols else "or let `prepare` make fold columns"
        raise DataError(f"column 'split': no row is {split!r} (found: {found}); fill the column, {remedy}")
    return rows[rows["split"] == split]


def assign_fold(rows: pd.DataFrame, protocol: str, fold: int, dev: Literal["next"] | None = None) -> pd.DataFrame:
    """A copy whose `split` column is that of one round of cross-validation.

    Args:
        rows: a manifest with the column `fold_<protocol>`.
        protocol: such as speaker, for the column fold_speaker.
        fold: the fold to test on.
        dev: "next" takes the following fold (after the last, the first) for choices such as when to stop;
            None leaves every other fold to training.

    Returns:
        The rows, with split "test", "dev" or "train", and "" for rows that are in no fold.

    Raises:
        DataError: no such protocol or fold, or nothing would remain for training.
    """
    column = f"fold_{protocol}"
    if column not in rows:
        found = ", ".join(str(name) for name in rows if str(name).startswith("fold_")) or "none"
        raise DataError(f"column {column!r} is missing; fold columns in this manifest: {found}")
    folds = sorted(int(value) for value in rows[column].dropna().unique())
    if fold not in folds:
        raise DataError(
            f"column {column!r}: found no fold {fold}, expected one of {', '.join(map(str, folds)) or 'none'}"
        )
    held_out = {fold: "test"}
    if dev == "next":
        held_out[folds[(folds.index(fold) + 1) % len(folds)]] = "dev"
    if len(folds) < 2 or len(folds) == len(held_out):
        remedy = "leave out the dev fold (dev: null)" if len(folds) > 1 else "choose another protocol"
        raise DataError(f"column {column!r} has {len(folds)} folds, so nothing remains for training; {remedy}")
    numbered = rows[column].map(held_out).fillna("train")
    return rows.assign(split=numbered.where(rows[column].notna(), "").astype("str"))


def speaker_folds(rows: pd.DataFrame, groups: int | Sequence[Sequence[str]]) -> pd.Series:
    """A fold per row, so that all clips of a speaker share one.

    Args:
        rows: a manifest with a `speaker` column; `corpus`, `emotion` and `gender` are used where they are there.
        groups: the names of each fold's speakers; or how many folds to make, with speakers dealt so that folds resemble
            each other in clips, in clips of each emotion, in speakers, and in speakers of each gender.

    Returns:
        Int64 folds from 0; missing where the speaker is unknown or in no group.

    Raises:
        DataError: fewer speakers than folds.
    """
    if not isinstance(groups, int):
        fold_of = {name: fold for fold, names in enumerate(groups) for name in names}
        return rows["speaker"].map(fold_of).astype("Int64")
    known = rows.assign(key=speaker_keys(rows))
    known = known[known["key"] != ""]
    speakers = sorted(known["key"].unique())
    if len(speakers) < groups:
        raise DataError(
            f"column 'speaker': found {len(speakers)} speakers, expected at least {groups} for as many folds"
        )
    single = known.drop_duplicates("key").set_index("key")
    alike = [known.groupby("key").size().to_frame(), single.assign(each=1)[["each"]]]
    if "emotion" in known:
        alike.append(pd.crosstab(known["key"], known["emotion"]))
    if "gender" in known:
        alike.append(pd.crosstab(single.index, single["gender"]))
    # Together, the emotions matter as much as the number of clips, and the genders as much as the number of speakers.
    weights = [np.full(table.shape[1], 1 / table.shape[1]) for table in alike]
    counts = np.concatenate([table.loc[speakers].to_numpy(np.float64) for table in alike], axis=1)
    number = dict(zip(speakers, deal(counts, np.concatenate(weights), groups), strict=True))
    return speaker_keys(rows).map(number).astype("Int64")


def speaker_keys(rows: pd.DataFrame) -> pd.Series:
    """Who speaks each row, as "corpus/speaker", because corpora reuse names; "" where it is not known."""
    if "speaker" not in rows:
        return pd.Series("", index=rows.index, dtype="str")
    corpus = rows["corpus"] if "corpus" in rows else pd.Series("", index=rows.index, dtype="str")
    return (corpus + "/" + rows["speaker"]).where(rows["speaker"] != "", "")


def random_folds(rows: pd.DataFrame, n: int = 10, seed: int = 0) -> pd.Series:
    """A random fold per row, stratified by emotion: folds differ by at most one clip, in each emotion and in all.

    The draw depends on the clips' ids and the seed alone, not on their order, the machine, or a library's version.

    Args:
        rows: a manifest with `id` and `emotion`.
        n: how many folds.
        seed: another seed, another draw.

    Returns:
        Int64 folds from 0 to n - 1.

    Raises:
        DataError: fewer rows than folds.
    """
    if len(rows) < n:
        raise DataError(f"found {len(rows)} rows, expected at least {n} for as many folds")
    strata: defaultdict[str, list[tuple[bytes, int]]] = defaultdict(list)
    for place, (name, emotion) in enumerate(zip(rows["id"], rows["emotion"], strict=True)):
        strata[emotion].append((hashlib.sha256(f"{seed}:{name}".encode()).digest(), place))
    dealt = [place for emotion in sorted(strata) for _, place in sorted(strata[emotion])]
    fold_of = {place: turn % n for turn, place in enumerate(dealt)}
    return pd.Series([fold_of[place] for place in range(len(rows))], index=rows.index, dtype="Int64")
