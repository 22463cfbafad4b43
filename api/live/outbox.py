"""What waits to be sent to one watcher: bounded, with tokens of one node joined while they
wait. A reader too slow even for that overflows, and is closed."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import deque

from api.live.feed import Delivery
from pilot.events.model import Event, EventType

MAX_MESSAGES = 4_000
MAX_CHARS = 4 * 1024 * 1024
MAX_JOINED_CHARS = 64 * 1024
ROOM_MESSAGES = 500
"""A replay waits until fewer than so many messages wait, instead of overflowing."""

NodeKey = tuple[str, str | None, str, int | None]


class Overflow(Exception):  # noqa: N818
    """The watcher does not keep up."""


class Outbox:
    def __init__(self) -> None:
        self._queue: deque[Delivery] = deque()
        self._chars = 0
        self._last_tokens: dict[NodeKey, Delivery] = {}
        self._ready = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._closed = False
        self.overflowed = asyncio.Event()

    def put(self, delivery: Delivery) -> None:
        """Adds a live event, or joins a token to one of its node that waits just before."""
        event = delivery.event
        if self._closed:
            return
        if event.type is EventType.LLM_TOKEN:
            if self._join(event):
                return
            self._last_tokens[_key(event)] = delivery
        else:
            # no token may move before another event of its execution
            self._forget_tokens(event.execution_id)
        self._append(delivery)
        if len(self._queue) > MAX_MESSAGES or self._chars > MAX_CHARS:
            self.overflowed.set()

    async def put_patiently(self, delivery: Delivery) -> None:
        """Adds a replayed event as soon as there is room."""
        await self._room.wait()
        self._append(delivery)

    async def take(self) -> Delivery | None:
        """The next one; None when the outbox is closed and empty."""
        while not self._queue:
            if self._closed:
                return None
            self._ready.clear()
            await self._ready.wait()
        delivery = self._queue.popleft()
        self._chars -= len(delivery.text)
        if delivery.event.type is EventType.LLM_TOKEN:
            self._last_tokens.pop(_key(delivery.event), None)
        if len(self._queue) < ROOM_MESSAGES:
            self._room.set()
        return delivery

    def close(self) -> None:
        """Nothing more comes; what waits may still be taken."""
        self._closed = True
        self._ready.set()

    def _append(self, delivery: Delivery) -> None:
        self._queue.append(delivery)
        self._chars += len(delivery.text)
        if len(self._queue) >= ROOM_MESSAGES:
            self._room.clear()
        self._ready.set()

    def _join(self, event: Event) -> bool:
        waiting = self._last_tokens.get(_key(event))
        if waiting is None:
            return False
        before, added = waiting.event.data.get("text"), event.data.get("text")
        if not isinstance(before, str) or not isinstance(added, str):
            return False
        if len(before) > MAX_JOINED_CHARS:
            return False
        # a delivery is shared between watchers, so the joined one is this outbox's own
        joined = Delivery(
            dataclasses.replace(waiting.event, data={**waiting.event.data, "text": before + added})
        )
        index = len(self._queue) - 1
        while self._queue[index] is not waiting:
            index -= 1
        self._queue[index] = joined
        self._chars += len(joined.text) - len(waiting.text)
        self._last_tokens[_key(event)] = joined
        return True

    def _forget_tokens(self, execution_id: str) -> None:
        for key in [key for key in self._last_tokens if key[0] == execution_id]:
            del self._last_tokens[key]


def _key(event: Event) -> NodeKey:
    return event.execution_id, event.node_id, event.path, event.attempt
