"""The reading end of the bus on Redis: the streams of followed users, and no others.

One blocking XREAD waits for up to `GROUP` streams on one connection, and is woken by a stream
of its own when the set changes. It is asked anew, with all its streams, after each answer; so
they are read in groups, and an answer costs no more with ten thousand users than with 256.
There are no consumer groups: every process needs all that its watchers want.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, cast
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import RedisError

from pilot.events.bus import Subscription
from pilot.events.waiting import ended
from pilot.events.wire import decode

log = logging.getLogger(__name__)

GROUP = 256
FIELD = b"events"
COUNT = 16
"""Entries of one stream an answer."""
BLOCK_MS = 2_000
CHECK_EVERY_S = 5.0
"""How often streams that say nothing are compared with what was read of them."""
WAKE_TTL_S = 600
FIRST_BACKOFF_S, MAX_BACKOFF_S = 0.05, 2.0
ANSWER_LIMIT_S = 2.0
AWAY = (RedisError, OSError, TimeoutError)
"""What a call raises when Redis does not answer, or refuses."""

START = b"0-0"

_Answer = list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]
"""A stream's entries: ids and fields."""


def stream_of(user_id: str) -> bytes:
    """The key of a user's stream."""
    return b"pilot:events:" + user_id.encode(errors="surrogatepass")


class StreamReader(Subscription):
    """`open_connection` gives a client whose calls may block for `BLOCK_MS`."""

    def __init__(self, open_connection: Callable[[], Redis]) -> None:
        super().__init__()
        self._open = open_connection
        self._groups: list[_Group] = []
        self._group_of: dict[str, _Group] = {}

    @property
    def streams(self) -> int:
        """How many streams are read."""
        return len(self._group_of)

    @property
    def connected(self) -> bool:
        return all(group.connected for group in self._groups)

    def follow(self, user_id: str) -> None:
        super().follow(user_id)
        if user_id in self._group_of:
            return
        group = next((each for each in self._groups if each.size < GROUP), None)
        if group is None:
            group = _Group(self)
            self._groups.append(group)
            group.start(self._open)
        self._group_of[user_id] = group
        group.add(stream_of(user_id))

    def unfollow(self, user_id: str) -> None:
        super().unfollow(user_id)
        group = self._group_of.pop(user_id, None)
        if group is not None:
            group.remove(stream_of(user_id))

    async def following(self, user_id: str) -> None:
        group = self._group_of.get(user_id)
        if group is not None:
            await group.located(stream_of(user_id))

    async def stop(self) -> None:
        """Ends the reading and closes the connections."""
        await asyncio.gather(*(group.stop() for group in self._groups))


class _Group:
    """Streams that are read together. `_positions` holds the last id read of each."""

    def __init__(self, subscription: Subscription) -> None:
        self.connected = True
        self._subscription = subscription
        self._bell = b"pilot:wake:" + uuid4().hex.encode()
        self._positions: dict[bytes, bytes] = {self._bell: START}
        self._new: dict[bytes, asyncio.Event] = {}
        self._spoke_at: dict[bytes, float] = {}
        self._ringing: asyncio.Task[None] | None = None

    def start(self, open_connection: Callable[[], Redis]) -> None:
        self._redis = open_connection()
        self._task = asyncio.create_task(self._keep_reading(), name="events from Redis")

    async def stop(self) -> None:
        await ended(self._task)
        if self._ringing is not None:
            await ended(self._ringing)
        await self._redis.aclose()

    @property
    def size(self) -> int:
        return len(self._positions) - 1 + len(self._new)

    def add(self, stream: bytes) -> None:
        self._new[stream] = asyncio.Event()
        if self._ringing is None:
            self._ringing = asyncio.create_task(self._ring())

    def remove(self, stream: bytes) -> None:
        """Costs nothing now: the next question leaves it out."""
        self._positions.pop(stream, None)
        self._spoke_at.pop(stream, None)
        if (waiting := self._new.pop(stream, None)) is not None:
            waiting.set()

    async def located(self, stream: bytes) -> None:
        waiting = self._new.get(stream)
        if waiting is not None:
            await waiting.wait()

    async def _ring(self) -> None:
        """Wakes the reader until it has seen what is new; if it is away, it will see it by
        itself when it is back."""
        try:
            while self._new and self.connected:
                pipeline = self._redis.pipeline(transaction=False)
                pipeline.xadd(self._bell, {FIELD: b""}, maxlen=1)
                pipeline.expire(self._bell, WAKE_TTL_S)
                await pipeline.execute()
                await asyncio.sleep(0.01)
        except AWAY as error:
            log.debug("the reader of events could not be woken: %s", error)
        finally:
            self._ringing = None

    async def _keep_reading(self) -> None:
        backoff = FIRST_BACKOFF_S
        while True:
            try:
                await self._compare(list(self._positions))
                if not self.connected:
                    log.info("Redis gives events again")
                self.connected = True
                backoff = FIRST_BACKOFF_S
                await self._read()
            except AWAY as error:
                if self.connected:
                    log.warning("Redis gives no events now: %s", error)
                self.connected = False
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, MAX_BACKOFF_S)

    async def _read(self) -> None:
        compared_at = time.monotonic()
        while True:
            if self._new:
                await self._locate(list(self._new))
            answer = await self._next()
            now = time.monotonic()
            for stream, entries in answer:
                if stream in self._positions:
                    self._positions[stream] = entries[-1][0]
                    self._spoke_at[stream] = now
                for _id, fields in entries:
                    self._deliver(fields.get(FIELD, b""))
                    await asyncio.sleep(0)
            if now - compared_at >= CHECK_EVERY_S:
                silent = [
                    stream
                    for stream in self._positions
                    if self._spoke_at.get(stream, 0.0) < compared_at
                ]
                await self._compare(silent)
                compared_at = now

    async def _next(self) -> _Answer:
        positions: dict[Any, Any] = dict(self._positions)
        answer = await self._redis.xread(positions, count=COUNT, block=BLOCK_MS)
        return cast(_Answer, answer)

    def _deliver(self, entry: bytes) -> None:
        for line in entry.split(b"\n"):
            if not line:
                continue
            try:
                self._subscription.put([decode(line)])
            except ValueError:
                log.warning("a line on the bus is no envelope: %r", line[:200])

    async def _locate(self, streams: list[bytes]) -> None:
        """Begins new streams at their ends: what came before is not for their watchers."""
        for stream, last in zip(streams, await self._ends(streams), strict=True):
            waiting = self._new.pop(stream, None)
            if waiting is not None:
                self._positions[stream] = last
                waiting.set()

    async def _compare(self, streams: list[bytes]) -> None:
        """A stream that ends before what was read of it was lost and made anew (a flush, a
        Redis that came back empty with another clock): all that it holds is unread."""
        for stream, last in zip(streams, await self._ends(streams), strict=True):
            position = self._positions.get(stream)
            if position is not None and _order(last) < _order(position):
                self._positions[stream] = START

    async def _ends(self, streams: Iterable[bytes]) -> list[bytes]:
        pipeline = self._redis.pipeline(transaction=False)
        for stream in streams:
            pipeline.xrevrange(stream, count=1)
        return [entries[0][0] if entries else START for entries in await pipeline.execute()]


def _order(entry_id: bytes) -> tuple[int, int]:
    milliseconds, _, number = entry_id.partition(b"-")
    return int(milliseconds), int(number)
