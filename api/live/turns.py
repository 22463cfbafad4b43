"""When the WebSockets of a process write: in rounds, with a rest between that grows with them.

One watcher is told at once. A hundred watchers of a fast run would cost, for each frame of an
animation, a hundred system calls that the run's own machine has to make: they are told less
often, and more at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

REST_S = 0.00025
"""After a round, for each that wrote in it: a write takes some 20 to 40 µs, so writing takes about
a tenth of a core, however many watch."""
MAX_REST_S = 0.25


class Turns:
    """Lets writers begin: at once where none has written lately, else in the next round."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []
        self._is_set = False
        self._next_at = 0.0

    def join(self, begin: Callable[[], None]) -> None:
        """`begin` is called once, soon, from the event loop. It must not block or raise."""
        self._waiting.append(begin)
        if not self._is_set:
            self._is_set = True
            asyncio.get_running_loop().call_at(self._next_at, self._round)

    def _round(self) -> None:
        begins, self._waiting = self._waiting, []
        self._is_set = False
        rest = min(len(begins) * REST_S, MAX_REST_S)
        self._next_at = asyncio.get_running_loop().time() + rest
        for begin in begins:
            begin()
