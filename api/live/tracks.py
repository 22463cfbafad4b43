"""What the feed knows of the users that are watched and of their executions."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from api.live.delivery import Delivery
from pilot.events.edition import UNKNOWN
from pilot.events.model import Event

FIRST_CHECK_S, FIRST_ASK_S = 2.0, 4.0


class Listener(Protocol):
    def deliver(self, delivery: Delivery) -> None:
        """Takes an event. Never blocks, never raises."""
        ...


@dataclass(slots=True, eq=False)
class Watched:
    """A user whose events are read from the bus since `since`. `left_at` (monotonic) is when
    the last listener went."""

    user_id: str
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    listeners: set[Listener] = field(default_factory=set)
    left_at: float = 0.0


@dataclass(slots=True, eq=False)
class Waits:
    """What watchers were told of an execution that is quiet: which attempts failed (node, path,
    number), and which task queues have no worker. `looked_at` (monotonic) is when Temporal was
    asked, and `queues` are those in which something of it was."""

    workflow_id: str = ""
    failed: set[tuple[str, str, int]] = field(default_factory=set)
    no_worker: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()
    has_newcomer: bool = False
    looked_at: float = float("-inf")
    look_every: float = FIRST_CHECK_S

    def newcomer(self) -> None:
        """A watcher came who has not heard it: all that still holds is said again."""
        self.failed.clear()
        self.has_newcomer = True
        self.look_soon()

    def look_soon(self) -> None:
        self.looked_at, self.look_every = float("-inf"), FIRST_CHECK_S


@dataclass(slots=True, eq=False)
class Track:
    """An execution. `last_seq` is the last one that went out, None until one did; `told` the
    highest that any of its watchers has had; `edition` the newest that was heard of.

    `checked_at` (monotonic) is when it last said something or was compared with the store, and
    `asked_at` the same for its run; `check_every` and `ask_every` are how long to wait for the
    next time. `spoke_at` is when it last said something. `gap_after` and `gap_before` are the `seq`
    around what watchers had to go on without, while `mending` waits for it.
    """

    watched: Watched
    execution_id: str
    last_seq: int | None = None
    told: int = 0
    edition: str = UNKNOWN
    final: bool = False
    held: list[Event] = field(default_factory=list)
    repair: asyncio.Task[None] | None = None
    checked_at: float = 0.0
    check_every: float = FIRST_CHECK_S
    asked_at: float = field(default_factory=time.monotonic)
    ask_every: float = FIRST_ASK_S
    spoke_at: float = field(default_factory=time.monotonic)
    waits: Waits = field(default_factory=Waits)
    gap_after: int = 0
    gap_before: int = 0
    mending: asyncio.Task[None] | None = None

    @property
    def user_id(self) -> str:
        return self.watched.user_id

    @property
    def is_heard(self) -> bool:
        """Whether anybody listens."""
        return bool(self.watched.listeners)

    def is_next(self, event: Event) -> bool:
        return event.seq is None or event.seq == (self.last_seq or 0) + 1

    def spoke(self) -> None:
        """An event came: it is quiet from now on only."""
        self.checked_at = self.asked_at = self.spoke_at = time.monotonic()
        self.check_every, self.ask_every = FIRST_CHECK_S, FIRST_ASK_S
        self.waits.look_every = FIRST_CHECK_S
