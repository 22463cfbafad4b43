"""When the WebSockets of a process write: in rounds, with a rest between that grows with them.

One watcher is told at once. A hundred watchers of a fast run would cost, for each frame of an
animation, a hundred system calls that the run's own machine has to make: they are told less
often, and more at a time. Where there is always more to say, as of a run of short steps alone,
less often still.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

REST_S = 0.00025
"""After a round, for each that wrote in it: a write takes some 10 to 30 µs, so writing takes less
than a tenth of a core, however many watch."""
LONG_REST_S = 0.00075
"""The same once the stream has gone on without a pause for `MANY_ROUNDS`."""
MANY_ROUNDS = 4
MAX_REST_S = 0.25


class Turns:
    """Lets writers begin: at once where none has written lately, else in the next round."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []
        self._writes = 0
        self._is_set = False
        self._next_at = 0.0
        self._rounds = 0  # since nobody had anything to say when the rest was over

    def join(self, begin: Callable[[], None], writes: int = 1) -> None:
        """`begin` is called once, soon, from the event loop, and writes to so many sockets. It
        must not block or raise."""
        self._waiting.append(begin)
        self._writes += writes
        if not self._is_set:
            self._is_set = True
            loop = asyncio.get_running_loop()
            if loop.time() > self._next_at:
                self._rounds = 0
            loop.call_at(self._next_at, self._round)

    def _round(self) -> None:
        begins, self._waiting = self._waiting, []
        self._is_set = False
        self._rounds += 1
        each = REST_S if self._rounds <= MANY_ROUNDS else LONG_REST_S
        rest = min(self._writes * each, MAX_REST_S)
        self._writes = 0
        self._next_at = asyncio.get_running_loop().time() + rest
        for begin in begins:
            begin()
