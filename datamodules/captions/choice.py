"""Choices that are the same on every machine and with every release of Python."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def number_of(*key: object) -> int:
    """A number from 0 to 2**256 - 1 that looks random and depends on the key alone."""
    return int.from_bytes(hashlib.sha256("|".join(map(str, key)).encode()).digest(), "big")


def draw(number: int, items: Sequence[Item], count: int) -> list[Item]:
    """``count`` different places of a list, or all of them, in an order that a number decides.

    >>> draw(number_of(1, "clip"), ["a", "b", "c", "d"], 2)
    ['b', 'a']
    """
    places = list(range(len(items)))
    drawn: list[Item] = []
    while places and len(drawn) < count:
        number, place = divmod(number, len(places))
        drawn.append(items[places.pop(place)])
    return drawn
