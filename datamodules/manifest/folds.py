"""Cross-validation folds: speakers dealt so that folds resemble each other, or clips at random."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datamodules.errors import DataError

Counts = NDArray[np.float64]
_MOST_EXCHANGED = 400  # groups; with more there are too many pairs to try, and single groups hardly matter
_SMALLEST_GAIN = 1e-12  # less is rounding


def speaker_folds(rows: pd.DataFrame, groups: int | Sequence[Sequence[str]]) -> pd.Series:
    """Assign a fold to each row, so that all clips of a speaker share one.

    Args:
        rows: A manifest with a ``speaker`` column; ``corpus``, ``emotion`` and ``gender`` are used where present.
        groups: The names of each fold's speakers; or how many folds to make, with speakers dealt so that folds resemble
            each other in clips, in clips of each emotion, in speakers, and in speakers of each gender.

    Returns:
        Int64 folds from 0; missing where the speaker is unknown or in no group.

    Raises:
        DataError: If there are fewer speakers than folds.
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
    quantities = [known.groupby("key").size().to_frame(), single.assign(each=1)[["each"]]]
    if "emotion" in known:
        quantities.append(pd.crosstab(known["key"], known["emotion"]))
    if "gender" in known:
        quantities.append(pd.crosstab(single.index, single["gender"]))
    # Together, the emotions matter as much as the number of clips, and the genders as much as the number of speakers.
    weights = [np.full(table.shape[1], 1 / table.shape[1]) for table in quantities]
    counts = np.concatenate([table.loc[speakers].to_numpy(np.float64) for table in quantities], axis=1)
    folds = deal(counts, np.concatenate(weights), groups)
    return speaker_keys(rows).map(dict(zip(speakers, folds, strict=True))).astype("Int64")


def speaker_keys(rows: pd.DataFrame) -> pd.Series:
    """Name the speaker of each row "corpus/speaker", because corpora reuse names; "" where it is not known."""
    if "speaker" not in rows:
        return pd.Series("", index=rows.index, dtype="str")
    corpus = rows["corpus"] if "corpus" in rows else pd.Series("", index=rows.index, dtype="str")
    return (corpus + "/" + rows["speaker"]).where(rows["speaker"] != "", "")


def random_folds(rows: pd.DataFrame, n: int = 10, seed: int = 0) -> pd.Series:
    """Draw a fold for each row, stratified by emotion: folds differ by at most one clip, in each emotion and in all.

    The draw depends on the clips' ids and the seed alone, not on their order, the machine, or a library's version.

    Args:
        rows: A manifest with ``id`` and ``emotion``.
        n: How many folds.
        seed: Another seed, another draw.

    Returns:
        Int64 folds from 0 to n - 1.

    Raises:
        DataError: If there are fewer rows than folds.
    """
    if len(rows) < n:
        raise DataError(f"found {len(rows)} rows, expected at least {n} for as many folds")
    strata: defaultdict[str, list[tuple[bytes, int]]] = defaultdict(list)
    for index, (name, emotion) in enumerate(zip(rows["id"], rows["emotion"], strict=True)):
        drawn = hashlib.sha256(f"{seed}:{name}".encode()).digest()
        strata[emotion].append((drawn, index))
    dealt = [index for emotion in sorted(strata) for _, index in sorted(strata[emotion])]
    folds = np.empty(len(rows), np.int64)
    folds[dealt] = np.arange(len(rows)) % n
    return pd.Series(folds, index=rows.index, dtype="Int64")


def deal(count_GQ: Counts, weight_Q: Counts, folds: int) -> list[int]:
    """Assign each of G groups to a fold, so that the folds share Q quantities as evenly as they can.

    The largest group comes first, and goes where it does least harm; then groups are moved and exchanged while that
    makes the folds more alike. Equal choices fall to the first fold, so that the same counts give the same folds.

    Args:
        count_GQ: How much of each quantity a group brings, more than 0 of the first one; groups in an order that does
            not depend on the table's.
        weight_Q: How much it matters that a quantity is shared evenly.
        folds: How many; at most G.

    Returns:
        The fold of each group, from 0. No fold is empty.
    """
    share_GQ = count_GQ / np.maximum(count_GQ.sum(axis=0), 1e-300) * np.sqrt(weight_Q)
    fold_G = _deal_largest_first(share_GQ, folds)
    if len(fold_G) <= _MOST_EXCHANGED:
        while _improve(share_GQ, fold_G, folds):
            pass
    return fold_G


def _deal_largest_first(share_GQ: Counts, folds: int) -> list[int]:
    held_FQ = np.zeros((folds, share_GQ.shape[1]))
    fold_G = [0] * len(share_GQ)
    for group in np.argsort(-share_GQ.sum(axis=1), kind="stable").tolist():
        # A sum of squares is least when all folds hold the same; this is by how much each choice raises it. It is least
        # of all for a fold that is empty still.
        cost_F = np.round((share_GQ[group] * (2 * held_FQ + share_GQ[group])).sum(axis=1), 12)
        fold = int(np.argmin(cost_F))
        held_FQ[fold] += share_GQ[group]
        fold_G[group] = fold
    return fold_G


def _improve(share_GQ: Counts, fold_G: list[int], folds: int) -> bool:
    """Make every move of one group and every exchange of two that helps, in place; return whether there was any."""
    held_FQ = np.zeros((folds, share_GQ.shape[1]))
    np.add.at(held_FQ, fold_G, share_GQ)
    size_F = np.bincount(fold_G, minlength=folds)
    improved = False
    for group in range(len(fold_G)):
        for target in range(folds):
            source = fold_G[group]
            if target == source or size_F[source] == 1:
                continue
            if _shift(held_FQ, share_GQ[group], source, target):
                fold_G[group] = target
                size_F[source] -= 1
                size_F[target] += 1
                improved = True
    for one, other in combinations(range(len(fold_G)), 2):
        source = fold_G[one]
        target = fold_G[other]
        if source != target and _shift(held_FQ, share_GQ[one] - share_GQ[other], source, target):
            fold_G[one] = target
            fold_G[other] = source
            improved = True
    return improved


def _shift(held_FQ: Counts, change_Q: Counts, source: int, target: int) -> bool:
    """Move this much from one fold to another, in place, if that makes the folds more alike."""
    gain = 2 * (change_Q * (held_FQ[source] - held_FQ[target] - change_Q)).sum()
    if gain <= _SMALLEST_GAIN:
        return False
    held_FQ[source] -= change_Q
    held_FQ[target] += change_Q
    return True
