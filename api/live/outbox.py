"""What waits to be sent to one watcher: bounded, and drawn together while it waits.

Tokens of one node are joined, and a new snapshot takes the place of what it holds already. A
reader too slow even for that overflows: what waits is thrown away, and the connection is to end.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Protocol

from api.live.delivery import Delivery, Message, Text
from pilot.events.model import Event, EventType

MAX_MESSAGES = 4_000
MAX_BYTES = 4 * 1024 * 1024
"""Of live messages that wait, beside what is replayed."""
MAX_JOINED_CHARS = 64 * 1024
SENT_AT_ONCE_BYTES = 64 * 1024
ROOM_MESSAGES = 500
ROOM_BYTES = 1024 * 1024
"""A replay goes on when less than this waits, instead of overflowing."""

NodeKey = tuple[str | None, str, int | None]


class Inbox(Protocol):
    """Where a watch puts what it sees."""

    def put(self, delivery: Delivery) -> None:
        """A live event. Never blocks, never raises."""
        ...

    async def put_patiently(self, delivery: Delivery) -> None:
        """A replayed event, as soon as there is room."""
        ...


class _Waiting:
    """A message in the queue; `more` are the texts of the tokens that joined it."""

    __slots__ = ("is_live", "message", "more", "size")

    def __init__(self, message: Delivery | Text, size: int, is_live: bool) -> None:
        self.message = message
        self.size = size
        self.is_live = is_live
        self.more: list[str] | None = None

    def join(self, event: Event) -> bool:
        """Takes in a later token; False where that cannot be, or makes too long a text."""
        added = event.data.get("text")
        if not isinstance(self.message, Delivery) or not isinstance(added, str):
            return False
        if not isinstance(self.message.event.data.get("text"), str):
            return False
        if self.size + len(added) > MAX_JOINED_CHARS:
            return False
        self.more = self.more or []
        self.more.append(added)
        self.size += len(added)
        return True

    def whole(self) -> Delivery | Text:
        """The message with all that joined it."""
        if self.more is None or not isinstance(self.message, Delivery):
            return self.message
        # a delivery is shared between watchers, so the joined one is this outbox's own
        event = self.message.event
        text = "".join((event.data["text"], *self.more))
        return Delivery(dataclasses.replace(event, data={**event.data, "text": text}))


class Outbox:
    """One reader takes from it, by `take`, or by `pop` whenever `wake` says that there is
    something to see: a message, the overflow, or the end."""

    def __init__(self, wake: Callable[[], None] | None = None) -> None:
        self.overflowed = False
        self._wake = wake
        self._queue: list[_Waiting] = []  # an empty deque takes ten times as much
        self._size = 0
        self._live_size = 0
        self._live_count = 0
        self._tokens: dict[str, dict[NodeKey, _Waiting]] = {}
        self._closed = False
        self._reader: asyncio.Future[None] | None = None
        self._patient: list[asyncio.Future[None]] = []

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def size(self) -> int:
        """Bytes of what waits."""
        return self._size

    def waiting(self) -> list[Message]:
        """What waits, which it goes on doing."""
        return [waiting.whole() for waiting in self._queue]

    def put(self, delivery: Delivery) -> None:
        """Adds a live event, or joins a token to one of its node that waits."""
        event = delivery.event
        if event.type is EventType.SNAPSHOT:
            self.drop(event.execution_id)
        if event.type is not EventType.LLM_TOKEN:
            # no token may move before another event of its execution
            self._tokens.pop(event.execution_id, None)
        elif not event.data.get("anew") and self._join(event):
            return
        waiting = self._append(delivery, delivery.size, is_live=True)
        if waiting is not None and event.type is EventType.LLM_TOKEN:
            self._tokens.setdefault(event.execution_id, {})[_key(event)] = waiting

    def say(self, text: str) -> None:
        """Adds an answer to the watcher itself."""
        self._append(Text(text), len(text), is_live=True)

    async def put_patiently(self, delivery: Delivery) -> None:
        while not self._closed and not self._has_room():
            room = asyncio.get_running_loop().create_future()
            self._patient.append(room)
            await room
        # what follows it may not join what came before it
        self._tokens.pop(delivery.event.execution_id, None)
        self._append(delivery, delivery.size, is_live=False)

    def drop(self, execution_id: str) -> None:
        """Takes out an execution's snapshots and durable events: a replay is to follow."""
        kept: list[_Waiting] = []
        for waiting in self._queue:
            event = waiting.message.event if isinstance(waiting.message, Delivery) else None
            if event is not None and event.execution_id == execution_id and event.seq is not None:
                self._uncount(waiting)
            else:
                kept.append(waiting)
        self._queue = kept
        if self._has_room():
            self._let_in()

    def pop(self) -> Delivery | Text | None:
        """The next message; None where none waits."""
        if not self._queue:
            return None
        waiting = self._queue.pop(0)
        self._uncount(waiting)
        message = waiting.message
        if isinstance(message, Delivery) and message.event.type is EventType.LLM_TOKEN:
            self._forget(message.event, waiting)
        if self._patient and self._has_room():
            self._let_in()
        return waiting.whole()

    def pop_some(self) -> list[Message]:
        """The next messages, as many as are sent at once; none where none waits."""
        messages: list[Message] = []
        size = 0
        while self._queue and size < SENT_AT_ONCE_BYTES:
            size += self._queue[0].size
            message = self.pop()
            assert message is not None
            messages.append(message)
        return messages

    async def take(self) -> Delivery | Text | None:
        """The next message, when there is one; None when the outbox is closed and empty."""
        while not self._queue:
            if self._closed:
                return None
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        return self.pop()

    def close(self) -> None:
        """Nothing more comes; what waits may still be taken."""
        self._closed = True
        self._let_in()
        self._wake_reader()

    def _append(self, message: Delivery | Text, size: int, *, is_live: bool) -> _Waiting | None:
        if self._closed:
            return None
        waiting = _Waiting(message, size, is_live)
        self._queue.append(waiting)
        self._size += size
        if is_live:
            self._live_count += 1
            self._live_size += size
            if self._live_count > MAX_MESSAGES or self._live_size > MAX_BYTES:
                self._overflow()
                return None
        self._wake_reader()
        return waiting

    def _overflow(self) -> None:
        self.overflowed = True
        self._queue.clear()
        self._tokens.clear()
        self._size = self._live_size = self._live_count = 0
        self.close()

    def _join(self, event: Event) -> bool:
        waiting = self._tokens.get(event.execution_id, {}).get(_key(event))
        if waiting is None:
            return False
        before = waiting.size
        if not waiting.join(event):
            return False
        self._size += waiting.size - before
        self._live_size += waiting.size - before
        if self._live_size > MAX_BYTES:
            self._overflow()
        return True

    def _uncount(self, waiting: _Waiting) -> None:
        self._size -= waiting.size
        if waiting.is_live:
            self._live_count -= 1
            self._live_size -= waiting.size

    def _forget(self, event: Event, waiting: _Waiting) -> None:
        of_execution = self._tokens.get(event.execution_id)
        if of_execution is not None and of_execution.get(_key(event)) is waiting:
            del of_execution[_key(event)]
            if not of_execution:
                del self._tokens[event.execution_id]

    def _has_room(self) -> bool:
        return len(self._queue) < ROOM_MESSAGES and self._size < ROOM_BYTES

    def _let_in(self) -> None:
        waiting, self._patient = self._patient, []
        for one in waiting:
            if not one.done():
                one.set_result(None)

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
        if self._wake is not None:
            self._wake()


def _key(event: Event) -> NodeKey:
    return event.node_id, event.path, event.attempt
