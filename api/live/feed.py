"""The process's one subscription to the bus, put in order and handed to its watchers.

Only users that somebody watches are read. Per execution the feed knows the last `seq` that
went out. A double is dropped. A gap holds the execution's events back for the moment in which
the missing ones are fetched from the run or the store, once for all watchers. What leaves no
gap to be seen (a lost last event, a bus that is away) is found by `api.live.comparison`.

When another worker begins a newer edition of a run (`pilot.events.edition`), some of what went
out may be void. Then the run's watchers are shown a snapshot, as soon as the store has taken the
same back, and what follows on it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from api.live.comparison import Comparison
from api.live.delivery import Delivery
from api.live.history import History
from api.live.mending import missed_came
from api.live.quiet import Quiet
from api.live.shared_calls import SharedCalls
from api.live.snapshot import gap, going_on_before
from api.live.tracks import Listener, Track, Watched
from api.pending import PendingRuns
from pilot.errors import PilotError
from pilot.events.bus import Bus
from pilot.events.edition import UNKNOWN, is_void
from pilot.events.model import FINAL_EVENT_TYPES, Envelope, Event, EventType
from pilot.events.texts import SoFar

log = logging.getLogger(__name__)

MAX_TRACKS = 20_000
MAX_HELD = 10_000
YIELD_EVERY = 64
"""Events handed out before the watchers' writers get their turn."""
REPAIR_DELAYS_S = (0.03, 0.05, 0.1, 0.2, 0.5, 1.0, *[2.0] * 14)
"""Half a minute, as a watcher's own (`api.live.watch`). The first is for events that two
workers' connections have merely swapped."""
READY_LIMIT_S = 1.0
FIRST_SHOW_S, MAX_SHOW_S = 0.05, 1.0
"""Between two looks whether the store has taken back what is void."""
LINGER_S, LET_GO_TICK_S = 10.0, 2.0


class Feed:
    """`async with Feed(bus, history, pending)`; watchers come and go by `listening`. Without
    `pending` nobody is told what quiet executions wait for."""

    def __init__(self, bus: Bus, history: History, pending: PendingRuns | None = None) -> None:
        self._bus = bus
        self._pending = pending
        self._history = history
        self._tracks: OrderedDict[str, Track] = OrderedDict()
        self._watched: dict[str, Watched] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stack = AsyncExitStack()
        self._shared = SharedCalls()

    async def __aenter__(self) -> Self:
        self._subscription = await self._stack.enter_async_context(self._bus.subscribe())
        self._spawn(self._consume())
        self._spawn(Comparison(self, self._history, self._bus).run())
        if self._pending is not None:
            self._spawn(Quiet(self, self._pending).run())
        self._spawn(self._let_go())
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
        await self._stack.aclose()

    @contextmanager
    def listening(self, user_id: str, listener: Listener) -> Iterator[None]:
        """All of a user's events go to `listener`, in order per execution: those that come
        after `ready`, which is almost at once."""
        watched = self._watched.get(user_id)
        if watched is None:
            watched = self._watched[user_id] = Watched(user_id)
            self._subscription.follow(user_id)
        watched.listeners.add(listener)
        try:
            yield
        finally:
            watched.listeners.discard(listener)
            watched.left_at = time.monotonic()

    async def ready(self, user_id: str) -> None:
        """Returns when a listening user's events come; or, where the bus is away, soon."""
        if self._bus.connected:
            with suppress(TimeoutError):
                async with asyncio.timeout(READY_LIMIT_S):
                    await self._subscription.following(user_id)

    @contextmanager
    def ending(self, user_id: str, execution_id: str) -> Iterator[asyncio.Event]:
        """An event that is set when the execution ends, or has ended already."""
        ended = asyncio.Event()
        with self.listening(user_id, _Ending(execution_id, ended)):
            track = self._tracks.get(execution_id)
            if track is not None and track.final:
                ended.set()
            yield ended

    async def texts(self, user_id: str, execution_id: str) -> list[SoFar]:
        """What the run's models have said so far. What they say after `ready` comes live, and
        may be in it too."""
        key = (user_id, execution_id)
        return await self._shared(key, lambda: self._bus.texts(user_id, execution_id))

    def last_seq(self, execution_id: str) -> int:
        """The last `seq` that went out; 0 where this process has seen none."""
        track = self._tracks.get(execution_id)
        return (track.last_seq or 0) if track is not None else 0

    def edition(self, execution_id: str) -> str:
        """The newest that was heard of."""
        track = self._tracks.get(execution_id)
        return track.edition if track is not None else UNKNOWN

    def expect(self, user_id: str, execution_id: str, seq: int, edition: str = UNKNOWN) -> None:
        """Some watcher has all events up to `seq`, as that edition has them: what comes must
        follow on it."""
        watched = self._watched.get(user_id)
        if watched is not None:
            track = self._track(watched, execution_id)
            # what the run was first heard of with is held until its beginning is there
            if track.last_seq is None or track.told <= seq < track.last_seq:
                track.last_seq = seq
            track.told = max(track.told, seq)
            track.waits.newcomer()
            if edition > track.edition:
                self.turn_to(track, edition)
            elif edition and edition < track.edition and is_void(seq, track.edition):
                self._start_over(track)

    def turn_to(self, track: Track, edition: str) -> None:
        """A newer edition was heard of. Of an execution whose edition was unknown, nothing is
        known to be void."""
        before, track.edition = track.edition, edition
        track.held = [
            event for event in track.held if event.seq is None or not is_void(event.seq, edition)
        ]
        if before and is_void(track.told, edition):
            self._start_over(track)

    def begin(self, watched: Watched, execution_id: str) -> None:
        """Tracks an execution from its first event on, unless it is tracked already."""
        track = self._track(watched, execution_id)
        if track.last_seq is None and track.repair is None:
            track.last_seq = 0

    def went_on(self, user_id: str, execution_id: str, after_seq: int, before_seq: int) -> None:
        """Some watcher went on without the events between."""
        watched = self._watched.get(user_id)
        if watched is not None:
            self._mend_later(self._track(watched, execution_id), after_seq, before_seq)

    def tracks(self) -> Iterable[Track]:
        return self._tracks.values()

    def watched(self) -> Iterable[Watched]:
        return self._watched.values()

    def accept(self, envelope: Envelope) -> None:
        """Takes an event of the bus, or of a repair."""
        event = envelope.event
        watched = self._watched.get(envelope.user_id)
        if watched is None:
            return
        track = self._track(watched, event.execution_id)
        if event.seq is not None:
            track.spoke()
            if envelope.edition > track.edition:
                self.turn_to(track, envelope.edition)
            elif (
                envelope.edition
                and envelope.edition < track.edition
                and is_void(event.seq, track.edition)
            ):
                return
        if track.repair is not None:
            if len(track.held) < MAX_HELD:
                track.held.append(event)
        elif event.seq is None or track.is_next(event) or not track.is_heard:
            self._hand_out(track, event)
        elif event.seq > (track.last_seq or 0):
            track.held.append(event)
            track.repair = self._spawn(self._repair(track))

    def _hand_out(self, track: Track, event: Event) -> None:
        if event.seq is not None:
            if event.seq <= (track.last_seq or 0):
                return
            track.last_seq = event.seq
            track.told = max(track.told, event.seq)
        if event.type in FINAL_EVENT_TYPES:
            track.final = True
        if event.type is EventType.NODE_RETRYING:
            track.waits.failed.add((event.node_id or "", event.path, event.attempt or 0))
        delivery = Delivery(event)
        for listener in tuple(track.watched.listeners):
            listener.deliver(delivery)

    def _track(self, watched: Watched, execution_id: str) -> Track:
        track = self._tracks.get(execution_id)
        # one of before the user was let go knows nothing of what has happened meanwhile
        if track is None or track.watched is not watched:
            track = self._tracks[execution_id] = Track(watched, execution_id)
            if len(self._tracks) > MAX_TRACKS:
                _, oldest = self._tracks.popitem(last=False)
                # what it had handed out is forgotten, and must not be handed out again
                oldest.watched.since = datetime.now(UTC)
                if oldest.repair is not None:
                    oldest.repair.cancel()
        self._tracks.move_to_end(execution_id)
        return track

    async def _let_go(self) -> None:
        """Users whose watchers are all gone are not read any longer, after a while: many come
        back at once."""
        while True:
            await asyncio.sleep(LET_GO_TICK_S)
            before = time.monotonic() - LINGER_S
            gone = [
                watched
                for watched in self._watched.values()
                if not watched.listeners and watched.left_at < before
            ]
            for watched in gone:
                del self._watched[watched.user_id]
                self._subscription.unfollow(watched.user_id)
            for execution_id in [
                track.execution_id for track in self._tracks.values() if track.watched in gone
            ]:
                del self._tracks[execution_id]

    async def _consume(self) -> None:
        count = 0
        async for envelope in self._subscription:
            try:
                self.accept(envelope)
            except Exception:
                log.exception("an event could not be handed out")
            count += 1
            if count % YIELD_EVERY == 0:
                await asyncio.sleep(0)

    # repair

    def _start_over(self, track: Track) -> None:
        track.final = False
        if track.repair is not None:
            track.repair.cancel()
        track.repair = self._spawn(self._show_anew(track))

    async def _show_anew(self, track: Track) -> None:
        """Watchers have been told what is void: shows them the execution, and goes on there."""
        delay = FIRST_SHOW_S
        shown = None
        while shown is None:
            await asyncio.sleep(delay)
            delay = min(delay * 2, MAX_SHOW_S)
            if not track.is_heard:
                # nobody is left to be told; whoever comes begins by himself
                if self._tracks.get(track.execution_id) is track:
                    del self._tracks[track.execution_id]
                return
            shown = await self._shown(track)
        track.last_seq = track.told = shown.event.seq or 0
        for listener in tuple(track.watched.listeners):
            listener.deliver(shown)
        self._drain(track)
        await self._repair(track)

    async def _repair(self, track: Track) -> None:
        try:
            if track.last_seq is None:
                await self._find_beginning(track)
            for delay in REPAIR_DELAYS_S if track.held else ():
                await asyncio.sleep(delay)
                self._drain(track)
                if not track.held:
                    return
                await self._fetch(track)
                self._drain(track)
                if not track.held:
                    return
            await self._pass_gaps(track)
        finally:
            if track.repair is asyncio.current_task():
                track.repair = None

    async def _find_beginning(self, track: Track) -> None:
        """An execution is first heard of in its midst. If it began while its user was watched,
        its first events are missing; else what came before is nobody's here."""
        began = []
        try:
            began = await self._history.progress([track.execution_id])
        except (PilotError, TimeoutError) as error:
            log.debug("execution %s cannot be read: %s", track.execution_id, error)
        if track.last_seq is not None:  # a watcher has said meanwhile what he has
            return
        if began and began[0].created_at >= track.watched.since:
            track.last_seq = 0
        else:
            track.last_seq = min(event.seq for event in track.held if event.seq is not None) - 1

    async def _fetch(self, track: Track) -> None:
        try:
            async for event in self._history.after(
                track.user_id, track.execution_id, track.last_seq or 0, edition=track.edition
            ):
                if track.is_next(event):
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
                if track.is_next(event) and not (event.seq is None and blocked):
                    self._hand_out(track, event)
                    moved = moved or bool(blocked)
                else:
                    blocked.append(event)
            track.held = blocked

    async def _pass_gaps(self, track: Track) -> None:
        """Neither run nor store has the missing events: watchers are told so, shown the execution,
        and go on behind the gap."""
        while track.held:
            shown = await self._shown(track)
            self._drain(track)  # what was missing may have come meanwhile
            held = [event for event in track.held if event.seq is not None]
            if not held:
                continue
            first = min(held, key=lambda event: event.seq or 0)
            assert first.seq is not None
            last = track.last_seq or 0
            log.warning(
                "execution %s: the events from %d to %d are lost for now",
                track.execution_id,
                last + 1,
                first.seq - 1,
            )
            told = [gap(track.execution_id, first.workflow_id, last, first.seq)]
            if shown is not None:
                told.append(going_on_before(shown, first.seq))
            for delivery in told:
                for listener in tuple(track.watched.listeners):
                    listener.deliver(delivery)
            self._mend_later(track, last, first.seq)
            track.last_seq = first.seq - 1
            self._drain(track)

    def _mend_later(self, track: Track, after_seq: int, before_seq: int) -> None:
        if track.mending is None:
            track.gap_after, track.gap_before = after_seq, before_seq
            track.mending = self._spawn(self._mend(track))
        else:
            track.gap_after = min(track.gap_after, after_seq)
            track.gap_before = max(track.gap_before, before_seq)

    async def _mend(self, track: Track) -> None:
        def is_tracked() -> bool:
            return self._tracks.get(track.execution_id) is track

        try:
            if await missed_came(self._history, track, is_tracked):
                self._start_over(track)
        finally:
            track.mending = None

    async def _shown(self, track: Track) -> Delivery | None:
        """The execution as the store has it; None where it cannot be had now."""
        try:
            return await self._history.snapshot(
                track.user_id, track.execution_id, track.edition, retells_end=True
            )
        except (PilotError, TimeoutError) as error:
            log.debug("execution %s cannot be shown: %s", track.execution_id, error)
            return None

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
