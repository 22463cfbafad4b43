"""The process's one subscription to the bus, put in order and handed to its watchers.

Per execution the feed knows the last `seq` that went out. A double is dropped. A gap holds
the execution's events back for the moment in which the missing ones are fetched from the run
or the store. A last event that was lost leaves no gap to be seen, so executions that have
gone quiet are compared with the store, ever more rarely.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from api.live.delivery import Delivery
from api.live.history import History
from pilot.errors import PilotError
from pilot.events.bus import Bus
from pilot.events.model import FINAL_EVENT_TYPES, Envelope, Event

log = logging.getLogger(__name__)

MAX_TRACKS = 20_000
MAX_HELD = 10_000
YIELD_EVERY = 64
"""Events handed out before the watchers' writers get their turn."""
REPAIR_DELAYS_S = (0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""The first is for events that two workers' connections have merely swapped."""
FIRST_CHECK_S, MAX_CHECK_S, CHECK_TICK_S = 2.0, 60.0, 0.5
MAX_CHECKS_A_TICK = 50


class Listener(Protocol):
    def deliver(self, delivery: Delivery) -> None:
        """Takes an event. Never blocks, never raises."""
        ...


@dataclass(slots=True)
class Track:
    """What the feed knows of one execution. `last_seq` is None until an event had one."""

    user_id: str
    execution_id: str
    last_seq: int | None = None
    final: bool = False
    held: list[Event] = field(default_factory=list)
    repair: asyncio.Task[None] | None = None
    check_at: float = 0.0
    check_every: float = FIRST_CHECK_S


class Feed:
    """`async with Feed(bus, history)`; watchers come and go by `listening`."""

    def __init__(self, bus: Bus, history: History) -> None:
        self._bus = bus
        self._history = history
        self._tracks: OrderedDict[str, Track] = OrderedDict()
        self._listeners: defaultdict[str, set[Listener]] = defaultdict(set)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        subscribed = asyncio.Event()
        self._spawn(self._consume(subscribed))
        self._spawn(self._check_quiet_ones())
        await subscribed.wait()
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @contextmanager
    def listening(self, user_id: str, listener: Listener) -> Iterator[None]:
        """All of a user's events go to `listener`, in order per execution."""
        self._listeners[user_id].add(listener)
        try:
            yield
        finally:
            self._listeners[user_id].discard(listener)
            if not self._listeners[user_id]:
                del self._listeners[user_id]

    @contextmanager
    def ending(self, user_id: str, execution_id: str) -> Iterator[asyncio.Event]:
        """An event that is set when the execution ends, or has ended already."""
        ended = asyncio.Event()
        with self.listening(user_id, _Ending(execution_id, ended)):
            track = self._tracks.get(execution_id)
            if track is not None and track.final:
                ended.set()
            yield ended

    def last_seq(self, execution_id: str) -> int:
        """The last `seq` that went out; 0 where this process has seen none."""
        track = self._tracks.get(execution_id)
        return (track.last_seq or 0) if track is not None else 0

    def expect(self, user_id: str, execution_id: str, seq: int) -> None:
        """Some watcher has all events up to `seq`: what comes must follow on it."""
        track = self._track(user_id, execution_id)
        if track.last_seq is None:
            track.last_seq = seq

    def accept(self, envelope: Envelope) -> None:
        """Takes an event of the bus, or of a repair."""
        event = envelope.event
        track = self._track(envelope.user_id, event.execution_id)
        track.check_every = FIRST_CHECK_S
        track.check_at = time.monotonic() + FIRST_CHECK_S
        if track.repair is not None:
            if len(track.held) < MAX_HELD:
                track.held.append(event)
        elif self._is_next(track, event):
            self._hand_out(track, event)
        elif event.seq is not None and event.seq > (track.last_seq or 0):
            if track.user_id in self._listeners:
                track.held.append(event)
                track.repair = self._spawn(self._repair(track))
            else:
                self._hand_out(track, event)

    @staticmethod
    def _is_next(track: Track, event: Event) -> bool:
        if event.seq is None or track.last_seq is None:
            return True
        return event.seq == track.last_seq + 1

    def _hand_out(self, track: Track, event: Event) -> None:
        if event.seq is not None:
            track.last_seq = event.seq
        if event.type in FINAL_EVENT_TYPES:
            track.final = True
        delivery = Delivery(event)
        for listener in tuple(self._listeners.get(track.user_id, ())):
            listener.deliver(delivery)

    def _track(self, user_id: str, execution_id: str) -> Track:
        track = self._tracks.get(execution_id)
        if track is None:
            track = self._tracks[execution_id] = Track(user_id, execution_id)
            if len(self._tracks) > MAX_TRACKS:
                _, oldest = self._tracks.popitem(last=False)
                if oldest.repair is not None:
                    oldest.repair.cancel()
        else:
            self._tracks.move_to_end(execution_id)
        return track

    async def _consume(self, subscribed: asyncio.Event) -> None:
        async with self._bus.subscribe() as envelopes:
            subscribed.set()
            count = 0
            async for envelope in envelopes:
                try:
                    self.accept(envelope)
                except Exception:
                    log.exception("an event could not be handed out")
                count += 1
                if count % YIELD_EVERY == 0:
                    await asyncio.sleep(0)

    # repair

    async def _repair(self, track: Track) -> None:
        try:
            for delay in REPAIR_DELAYS_S:
                await asyncio.sleep(delay)
                self._drain(track)
                if not track.held:
                    return
                await self._fetch(track)
                self._drain(track)
                if not track.held:
                    return
            self._skip_gap(track)
        finally:
            track.repair = None

    async def _fetch(self, track: Track) -> None:
        try:
            async for event in self._history.after(
                track.user_id, track.execution_id, track.last_seq or 0
            ):
                if self._is_next(track, event):
                    self._hand_out(track, event)
        except (PilotError, TimeoutError) as error:
            log.debug("events of %s cannot be fetched: %s", track.execution_id, error)

    def _drain(self, track: Track) -> None:
        """Hands out what is held as far as it follows on, in the order of its arrival."""
        moved = True
        while moved and track.held:
            moved = False
            blocked: list[Event] = []
            for event in track.held:
                if event.seq is not None and event.seq <= (track.last_seq or 0):
                    continue
                if self._is_next(track, event) and not (event.seq is None and blocked):
                    self._hand_out(track, event)
                    moved = moved or bool(blocked)
                else:
                    blocked.append(event)
            track.held = blocked

    def _skip_gap(self, track: Track) -> None:
        """Neither run nor store has the missing events: goes on, and watchers see the gap."""
        while track.held:
            lowest = min(event.seq for event in track.held if event.seq is not None)
            log.warning(
                "execution %s: the events from %s to %d are lost for now",
                track.execution_id,
                (track.last_seq or 0) + 1,
                lowest - 1,
            )
            track.last_seq = lowest - 1
            self._drain(track)

    async def _check_quiet_ones(self) -> None:
        while True:
            await asyncio.sleep(CHECK_TICK_S)
            now = time.monotonic()
            due = [
                track
                for track in self._tracks.values()
                if not track.final
                and track.repair is None
                and track.last_seq is not None
                and track.check_at <= now
                and track.user_id in self._listeners
            ]
            for track in due[:MAX_CHECKS_A_TICK]:
                track.check_every = min(track.check_every * 2, MAX_CHECK_S)
                track.check_at = now + track.check_every
                await self._check(track)

    async def _check(self, track: Track) -> None:
        assert track.last_seq is not None
        try:
            events = await self._history.stored(track.user_id, track.execution_id, track.last_seq)
        except (PilotError, TimeoutError) as error:
            log.debug("execution %s cannot be checked: %s", track.execution_id, error)
            return
        for event in events:
            self.accept(Envelope(track.user_id, event))

    def _spawn(self, work: object) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        with suppress(asyncio.CancelledError):
            if (error := task.exception()) is not None:
                log.error("a task of the feed failed", exc_info=error)


class _Ending:
    def __init__(self, execution_id: str, ended: asyncio.Event) -> None:
        self._execution_id = execution_id
        self._ended = ended

    def deliver(self, delivery: Delivery) -> None:
        event = delivery.event
        if event.execution_id == self._execution_id and event.type in FINAL_EVENT_TYPES:
            self._ended.set()
