"""The connections of one user that are sent all of his events: what each is sent is queued once.

A hundred pages that show the same run cost one queue, and a write each. A connection whose reader
is slow has a queue of its own for what it has yet to read, and so has one that asks for something
else: it leaves, and may come back.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Protocol
from weakref import WeakValueDictionary

from api.live.delivery import Delivery, Message
from api.live.feed import Feed
from api.live.outbox import MAX_BYTES, MAX_MESSAGES, Outbox
from api.live.turns import Turns

FLUSH_MESSAGES, FLUSH_BYTES = MAX_MESSAGES // 4, MAX_BYTES // 4
"""So many do not wait for their turn: each connection has a bound of its own."""


class Member(Protocol):
    """A connection. Both never block and never raise."""

    def take(self, messages: list[Message]) -> None:
        """Sends what comes next."""
        ...

    def joined(self) -> None:
        """From here on `take` has all that comes."""
        ...


class SharedStream:
    """A listener of the feed while it has members."""

    def __init__(self, feed: Feed, turns: Turns, user_id: str) -> None:
        self._feed = feed
        self._turns = turns
        self._user_id = user_id
        self._outbox = Outbox()
        self._members: set[Member] = set()
        self._coming: set[Member] = set()
        self._listening = ExitStack()
        self._is_to_write = False

    def join(self, member: Member) -> None:
        """The member has to have had all events until it is told that it has `joined`: what
        waits here went to it already."""
        self._coming.add(member)
        if not self._outbox:
            self._let_in()

    def leave(self, member: Member) -> None:
        """The member first takes what waits for it."""
        self._coming.discard(member)
        if member in self._members:
            self._members.remove(member)
            if self._outbox:
                member.take(self._outbox.waiting())
        if not self._members:
            self._listening.close()
            self._outbox = Outbox()
            self._let_in()

    def deliver(self, delivery: Delivery) -> None:
        size = delivery.size
        if len(self._outbox) >= FLUSH_MESSAGES or self._outbox.size + size > FLUSH_BYTES:
            self._hand_on()
        if size > FLUSH_BYTES:
            self._send([delivery])
            return
        self._outbox.put(delivery)
        if not self._is_to_write:
            self._is_to_write = True
            self._turns.join(self._write, len(self._members))

    def _write(self) -> None:
        self._is_to_write = False
        self._hand_on()
        self._let_in()

    def _hand_on(self) -> None:
        while messages := self._outbox.pop_some():
            self._send(messages)

    def _send(self, messages: list[Message]) -> None:
        for member in self._members:
            member.take(messages)

    def _let_in(self) -> None:
        if not self._coming:
            return
        if not self._members:
            self._listening.enter_context(self._feed.listening(self._user_id, self))
        coming, self._coming = self._coming, set()
        self._members |= coming
        for member in coming:
            member.joined()


class SharedStreams:
    """By user, for as long as one has plain connections."""

    def __init__(self, feed: Feed, turns: Turns) -> None:
        self._feed = feed
        self._turns = turns
        self._streams: WeakValueDictionary[str, SharedStream] = WeakValueDictionary()

    def of(self, user_id: str) -> SharedStream:
        stream = self._streams.get(user_id)
        if stream is None:
            stream = self._streams[user_id] = SharedStream(self._feed, self._turns, user_id)
        return stream
