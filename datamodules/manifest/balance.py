"""Groups that stay whole, dealt to folds which resemble each other."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.float64]
_MANY = 400  # groups, beyond which exchanges are not tried: there are too many pairs, and single groups hardly matter
_LEAST = 1e-12  # a smaller gain is rounding


def deal(count_GQ: Counts, weight_Q: Counts, folds: int) -> list[int]:
    """Put each of G groups into a fold, so that the folds share Q quantities as evenly as they can.

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
    fold_G = _greedily(share_GQ, np.argsort(-share_GQ.sum(axis=1), kind="stable").tolist(), folds)
    if len(fold_G) <= _MANY:
        while _improved(share_GQ, fold_G, folds):
            pass
    return fold_G


def _greedily(share_GQ: Counts, order: list[int], folds: int) -> list[int]:
    held_FQ = np.zeros((folds, share_GQ.shape[1]))
    fold_G = [0] * len(order)
    for group in order:
        # A sum of squares is least when all folds hold the same; this is by how much each choice raises it. It is least
        # of all for a fold that is empty still.
        cost_F = np.round((share_GQ[group] * (2 * held_FQ + share_GQ[group])).sum(axis=1), 12)
        fold = int(np.argmin(cost_F))
        held_FQ[fold] += share_GQ[group]
        fold_G[group] = fold
    return fold_G


def _improved(share_GQ: Counts, fold_G: list[int], folds: int) -> bool:
    """Make every move of one group and every exchange of two that helps, in place; say whether there was any."""
    held_FQ = np.zeros((folds, share_GQ.shape[1]))
    np.add.at(held_FQ, fold_G, share_GQ)
    size_F, better = np.bincount(fold_G, minlength=folds), False

    def shift(change_Q: Counts, source: int, target: int) -> bool:
        """Carry this much from one fold to another, if it helps."""
        gain = 2 * (change_Q * (held_FQ[source] - held_FQ[target] - change_Q)).sum()
        if gain > _LEAST:
            held_FQ[source] -= change_Q
            held_FQ[target] += change_Q
        return bool(gain > _LEAST)

    for group in range(len(fold_G)):
        for target in range(folds):
            source = fold_G[group]
            if target != source and size_F[source] > 1 and shift(share_GQ[group], source, target):
                fold_G[group], better = target, True
                size_F[source] -= 1
                size_F[target] += 1
    for one, other in combinations(range(len(fold_G)), 2):
        source, target = fold_G[one], fold_G[other]
        if source != target and shift(share_GQ[one] - share_GQ[other], source, target):
            fold_G[one], fold_G[other], better = target, source, True
    return better
