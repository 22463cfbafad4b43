"""One call for all who ask the same at the same time.

Whoever asks gets an answer whose call began after they asked, never an older one: a watcher
relies on it to hold all that happened before. So while a call is under way, those who come
wait for the next one, together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

from pilot.store.acting import acting_token

T = TypeVar("T")


class SharedCalls:
    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[Any]] = {}
        self._next: dict[Hashable, asyncio.Task[Any]] = {}

    async def __call__(self, key: Hashable, call: Callable[[], Awaitable[T]]) -> T:
        """What `call` gives or raises, or what another's call of the same key does. It goes on
        where the one who began it is cancelled."""
        key = (acting_token(), key)  # what one may see is no answer to another
        task = self._next.get(key)
        if task is None:
            task = asyncio.create_task(self._call(key, call, self._running.get(key)))
            self._next[key] = task
        answer: T = await asyncio.shield(task)
        return answer

    async def _call(
        self, key: Hashable, call: Callable[[], Awaitable[T]], before: asyncio.Task[Any] | None
    ) -> T:
        if before is not None:
            await asyncio.wait([before])
        self._running[key] = self._next.pop(key)
        try:
            return await call()
        finally:
            if self._running.get(key) is asyncio.current_task():
                del self._running[key]
