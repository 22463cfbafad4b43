"""Compares what went out to watchers with what the store and the runs have.

The bus may lose events without a trace: a last one, or all of them, while Redis or a worker's
way to it is down. So every watched execution that has gone quiet is compared with the store,
within `FIRST_CHECK_S` while the bus is known to be away and within `MAX_CHECK_S` while it seems
to be well; and with the run, which knows more where the store is away too, ever more rarely.
Executions of watched users that nothing was heard of are found the same way. The number of
questions to the store does not grow with the number of watchers.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from api.live.history import History
from api.live.tracks import FIRST_CHECK_S, Track, Watched
from api.runs import QueryError
from pilot.errors import PilotError
from pilot.events.bus import Bus
from pilot.events.model import Envelope
from pilot.store import Progress

log = logging.getLogger(__name__)

TICK_S = 0.5
MAX_CHECK_S, MAX_ASK_S = 10.0, 60.0
SHAKY_S = 10.0
"""For so long after the bus was away its events are not trusted to be complete."""
MAX_BEHIND = 100
"""Executions a tick whose missing events are read from the store."""
MAX_ASKING = 10
"""Runs that are asked at once."""
PAGE = 500
FOUND_FOR = timedelta(minutes=5)
"""How long an execution of which the bus said nothing at all is looked for."""


class Followed(Protocol):
    """The feed, as the comparison sees it."""

    def tracks(self) -> Iterable[Track]: ...

    def watched(self) -> Iterable[Watched]: ...

    def begin(self, watched: Watched, execution_id: str) -> None:
        """Tracks an execution from its first event on, unless it is tracked already."""
        ...

    def accept(self, envelope: Envelope) -> None: ...

    def turn_to(self, track: Track, edition: str) -> None:
        """A newer edition of the execution was heard of."""
        ...


class Comparison:
    def __init__(self, feed: Followed, history: History, bus: Bus) -> None:
        self._feed = feed
        self._history = history
        self._bus = bus
        self._shaky_until = 0.0
        self._looked_at = time.monotonic()
        self._asking: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Compares until it is cancelled."""
        try:
            while True:
                await asyncio.sleep(TICK_S)
                try:
                    await self._tick()
                except Exception:  # nothing else would notice what was lost from here on
                    log.exception("the live feed could not be compared with the store")
        finally:
            for task in self._asking:
                task.cancel()

    async def _tick(self) -> None:
        now = time.monotonic()
        if not self._bus.connected:
            self._shaky_until = now + SHAKY_S
        longest = FIRST_CHECK_S if now < self._shaky_until else MAX_CHECK_S
        if now >= self._looked_at + longest:
            self._looked_at = now
            await self._look_for_unknown()
        due = [track for track in self._feed.tracks() if _is_due(track, now, longest)]
        for start in range(0, len(due), PAGE):
            await self._compare(due[start : start + PAGE], now)

    async def _compare(self, tracks: list[Track], now: float) -> None:
        try:
            progress = await self._history.progress([track.execution_id for track in tracks])
        except (PilotError, TimeoutError) as error:
            log.debug("the store cannot be read, runs are asked: %s", error)
            progress = []
        stored = {each.execution_id: each for each in progress}
        behind = 0
        for track in tracks:
            known = stored.get(track.execution_id)
            if known is not None and known.edition > track.edition:
                self._feed.turn_to(track, known.edition)
            if known is not None and _is_ahead(known, track):
                if behind < MAX_BEHIND:  # the others stay due
                    behind += 1
                    await self._catch_up(track)
                continue
            track.checked_at = now
            track.check_every = min(track.check_every * 2, MAX_CHECK_S)
            if now >= track.asked_at + track.ask_every and len(self._asking) < MAX_ASKING:
                track.asked_at = now
                track.ask_every = min(track.ask_every * 2, MAX_ASK_S)
                asking = asyncio.create_task(self._ask(track))
                self._asking.add(asking)
                asking.add_done_callback(self._asking.discard)

    async def _catch_up(self, track: Track) -> None:
        last_seq = track.last_seq or 0
        try:
            for event in await self._history.stored(track.user_id, track.execution_id, last_seq):
                self._feed.accept(Envelope(track.user_id, event))
        except (PilotError, TimeoutError) as error:
            log.debug("events of %s cannot be read: %s", track.execution_id, error)
        if track.last_seq == last_seq and track.repair is None:
            # the store has a gap there: no use to read it all the time
            track.checked_at = time.monotonic()

    async def _ask(self, track: Track) -> None:
        try:
            events, _ = await self._history.asked(track.execution_id, track.last_seq or 0)
            for event in events:
                self._feed.accept(Envelope(track.user_id, event))
        except (QueryError, PilotError, TimeoutError) as error:
            log.debug("the run of %s cannot be asked: %s", track.execution_id, error)

    async def _look_for_unknown(self) -> None:
        """Finds executions that began under watchers' eyes and were never heard of."""
        users = {each.user_id: each for each in self._feed.watched() if each.listeners}
        oldest = datetime.now(UTC) - FOUND_FOR
        names = list(users)
        for start in range(0, len(names), PAGE):
            page = names[start : start + PAGE]
            since = max(oldest, min(users[name].since for name in page))
            try:
                begun = await self._history.begun(page, since)
            except (PilotError, TimeoutError) as error:
                log.debug("new executions cannot be looked for: %s", error)
                return
            for each in begun:
                watched = users[each.owner]
                if each.created_at >= watched.since:
                    self._feed.begin(watched, each.execution_id)


def _is_ahead(known: Progress, track: Track) -> bool:
    """Whether the store has more, and of the same edition: of an older one it may be void."""
    return known.edition == track.edition and known.last_seq > (track.last_seq or 0)


def _is_due(track: Track, now: float, longest: float) -> bool:
    if track.final or track.repair is not None or track.last_seq is None or not track.is_heard:
        return False
    return now >= track.checked_at + min(track.check_every, longest)
