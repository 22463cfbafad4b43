"""The bus: how events get from the processes that make them to those that are watched.

A bus may lose events, never reorder one publisher's. Whoever reads it sees a loss as a gap
in `seq` and repairs it from the workflow or the store, so no publisher ever waits for a
reader. A reader is given only the events of users that it follows.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Protocol

from pilot.events.model import Envelope
from pilot.events.preview import trim
from pilot.events.texts import LiveTexts, SoFar

MAX_QUEUED = 50_000
"""Envelopes that wait for one subscriber; over it, its oldest are lost."""


class Outbound(Protocol):
    """The publishing end of a bus. `publish` is quick and does not raise."""

    async def publish(self, envelopes: Sequence[Envelope]) -> None: ...

    async def close(self) -> None: ...


class Bus(Outbound, Protocol):
    """Both ends."""

    @property
    def connected(self) -> bool:
        """Whether events can come now, as far as this end can know. It cannot know whether
        every publisher is connected too."""
        ...

    @property
    def condition(self) -> str:
        """How this end is, in a few words for an operator."""
        ...

    def subscribe(self) -> AbstractAsyncContextManager[Subscription]: ...

    async def texts(self, user_id: str, execution_id: str) -> list[SoFar]:
        """What the models of a run have said so far, where they are still at it: at least all
        that was published before a subscription that follows the user. A bus that is away or
        has lost it has nothing, or texts without their beginning."""
        ...


class Subscription:
    """One subscriber's queue, an async iterator that ends when the bus is closed.

    `follow` a user, and from the return of `following` on, what is published comes.
    """

    def __init__(self) -> None:
        self._users: set[str] = set()
        self._queue: deque[Envelope] = deque(maxlen=MAX_QUEUED)
        self._ready = asyncio.Event()
        self._closed = False

    def follow(self, user_id: str) -> None:
        """Asks for a user's events, from about now on."""
        self._users.add(user_id)

    def unfollow(self, user_id: str) -> None:
        self._users.discard(user_id)

    async def following(self, user_id: str) -> None:
        """Returns when whatever is published from now on will come. May take for as long as
        the bus is away."""

    def put(self, envelopes: Sequence[Envelope]) -> None:
        self._queue.extend(each for each in envelopes if each.user_id in self._users)
        self._ready.set()

    def close(self) -> None:
        self._closed = True
        self._ready.set()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Envelope:
        while not self._queue:
            if self._closed:
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()
        return self._queue.popleft()


class InProcessBus:
    """A bus for publishers and watchers in one process and event loop."""

    connected = True
    condition = "in this process"

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()
        self._texts = LiveTexts()
        self._closed = False

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        self.deliver([replace(envelope, event=trim(envelope.event)) for envelope in envelopes])

    def deliver(self, envelopes: Sequence[Envelope]) -> None:
        """Hands on envelopes that are trimmed already."""
        self._texts.take(envelopes)
        for subscription in self._subscriptions:
            subscription.put(envelopes)

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[Subscription]:
        subscription = Subscription()
        if self._closed:
            subscription.close()
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    async def texts(self, user_id: str, execution_id: str) -> list[SoFar]:
        return self._texts.of(user_id, execution_id)

    async def close(self) -> None:
        self._closed = True
        for subscription in self._subscriptions:
            subscription.close()


class NoBus(InProcessBus):
    """For an API process that no worker can reach: progress comes from store and query."""

    connected = False
    condition = "none: progress is read from the store"
