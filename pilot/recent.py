"""What a process used last, kept in memory up to a bound."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Values of at most `most_each` in size and `most` in all, in whatever unit; what was not used
    for longest goes first. Who is given one must not change it."""

    def __init__(self, most: int, most_each: int) -> None:
        self._most = most
        self._most_each = most_each
        self._kept: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._size = 0

    def get(self, key: K) -> V | None:
        found = self._kept.get(key)
        if found is None:
            return None
        self._kept.move_to_end(key)
        return found[0]

    def put(self, key: K, value: V, size: int) -> None:
        """Keeps it, unless it is too large or there already."""
        if size > self._most_each or key in self._kept:
            return
        self._kept[key] = (value, size)
        self._size += size
        while self._size > self._most:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._size -= dropped

    def forget(self, key: K) -> None:
        if key in self._kept:
            self._size -= self._kept.pop(key)[1]
