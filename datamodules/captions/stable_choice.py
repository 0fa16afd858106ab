"""Pseudorandom choices that are the same on every machine and with every release of Python."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def number_of(*key: object) -> int:
    """Return a pseudorandom number from 0 to 2**256 - 1 that depends on the key alone."""
    return int.from_bytes(hashlib.sha256("|".join(map(str, key)).encode()).digest(), "big")


def draw(number: int, items: Sequence[Item], count: int) -> list[Item]:
    """Draw ``count`` items without replacement, or all of them, in an order that a number decides.

    >>> draw(number_of(1, "clip"), ["a", "b", "c", "d"], 2)
    ['b', 'a']
    """
    left = list(items)
    drawn: list[Item] = []
    while left and len(drawn) < count:
        number, index = divmod(number, len(left))
        drawn.append(left.pop(index))
    return drawn
