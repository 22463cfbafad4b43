"""Writes model calls to the store, and keeps what it could not write for later.

A call is written before its attempt ends. Where the database is away, the call waits in a
bounded queue that one task drains; what does not fit, or is left when the worker stops, goes
to the log, so that no usage is lost without a word.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator

from pilot.errors import StoreError
from pilot.store.usage import CallKey, ModelCall, Total, UsageStore

log = logging.getLogger(__name__)

MAX_WAITING = 10_000
"""Calls of one worker that wait for the database: some megabytes, and minutes of a busy one."""
FIRST_PAUSE_S, MAX_PAUSE_S = 0.1, 5.0
CLOSING_S = 3.0


class UsageWriter:
    """`async with UsageWriter.open(usage) as writer`."""

    def __init__(self, usage: UsageStore) -> None:
        self._usage = usage
        self._unwritten: dict[CallKey, ModelCall] = {}
        self._waiting: deque[ModelCall] = deque()
        self._tasks: set[asyncio.Task[bool]] = set()
        self._drain: asyncio.Task[None] | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, usage: UsageStore) -> AsyncIterator[UsageWriter]:
        writer = cls(usage)
        try:
            yield writer
        finally:
            await writer._close()

    async def write(self, call: ModelCall, limit_s: float) -> bool:
        """Writes the call. Returns after `limit_s` at the latest, or when the database has
        failed, with False; the writing then goes on. A cancellation does not stop it either."""
        if len(self._unwritten) >= MAX_WAITING:
            _lose(call, "too many calls wait for the database")
            return False
        self._unwritten[call.key] = call
        task = asyncio.create_task(self._first(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        done, _ = await asyncio.wait({task}, timeout=limit_s)
        return bool(done) and task.result()

    def has_waiting(self, owner: str) -> bool:
        """Whether calls of the user wait for the database to come back."""
        return any(call.owner == owner for call in self._waiting)

    def unwritten_of(self, execution_id: str, node_id: str, path: str) -> Total:
        """The calls of a node that the store does not know yet."""
        where = (execution_id, node_id, path)
        total = Total()
        for key, call in self._unwritten.items():
            if (key.execution_id, key.node_id, key.path) == where:
                total += Total.of(call)
        return total

    async def _first(self, call: ModelCall) -> bool:
        if await self._try(call):
            return True
        self._waiting.append(call)
        if self._drain is None or self._drain.done():
            self._drain = asyncio.create_task(self._drained())
        return False

    async def _try(self, call: ModelCall) -> bool:
        try:
            await self._usage.record(call)
        except StoreError as error:
            log.warning("a model call could not be written yet: %s", error.message)
            return False
        except Exception as error:  # what no repetition makes better
            log.error("a model call could not be written", exc_info=error)
            _lose(call, "it is refused")
        self._unwritten.pop(call.key, None)
        return True

    async def _drained(self) -> None:
        pause = FIRST_PAUSE_S
        while self._waiting:
            if await self._try(self._waiting[0]):
                self._waiting.popleft()
                pause = FIRST_PAUSE_S
            else:
                await asyncio.sleep(pause)
                pause = min(pause * 2, MAX_PAUSE_S)

    async def _close(self) -> None:
        """Gives what is under way its time; says what is lost."""
        tasks = [*self._tasks, *([self._drain] if self._drain is not None else [])]
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSING_S)
            for task in tasks:
                task.cancel()
        for call in self._unwritten.values():
            _lose(call, "the worker stops")


def _lose(call: ModelCall, reason: str) -> None:
    log.error(
        "usage is lost (%s): user %s, call %s, model %s, %d + %d tokens, %s nanodollars",
        reason,
        call.owner,
        call.key,
        call.model,
        call.prompt_tokens,
        call.completion_tokens,
        call.cost,
    )
