"""Events on a worker's way to the store: they wait for it, and are written in rounds.

In a round, what has gathered of many executions is written together; those that the store does not
take so are written one by one, so that one execution's events are never in the others' way.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter

from pilot.errors import NotFoundError, UnavailableError
from pilot.events.model import Envelope
from pilot.store import Store, Told

log = logging.getLogger(__name__)

MAX_DURABLE_BYTES = 64 * 1024 * 1024
"""Events that the store does not have yet; later ones are left to the run's last activity."""
EVENT_BYTES = 500
"""What an event takes in memory beside its data, roughly."""
STORE_INTERVAL_S = 0.25
REST_SHARE, MAX_REST_S = 3, 0.5
"""After a round of writes, the rest is three times what it took: a transaction costs a
millisecond of the worker's time whatever is in it, and that adds up: at 50 ms between rounds, a
chain of 100 nodes cost its worker a quarter more. Who watches is told by the bus, and what a run's
end waits for is written at once."""
MAX_TOGETHER, MAX_TOGETHER_EVENTS, MAX_TOGETHER_BYTES = 200, 500, 1024 * 1024
"""Executions in one transaction, and their events, of which the first execution may have more: it
keeps the rows of all of them, and SQLite's one writer, for a few milliseconds."""
FIRST_PAUSE_S, MAX_PAUSE_S = 0.1, 2.0
"""Between two tries of a store that is away."""


@dataclass(frozen=True, slots=True)
class Flush:
    """Travels the same queue as the events, and so is done when all before it are. With the run's
    `end`, which is event `last_seq`: whether that was written, too."""

    execution_id: str | None
    done: asyncio.Future[bool]
    last_seq: int = 0
    end: Envelope | None = None


@dataclass(slots=True)
class _Backlog:
    """One execution's events on their way to the store; nearly always of one edition. Its `end` is
    not one of them: it is `ended`, or somebody else's to write."""

    envelopes: list[Envelope] = field(default_factory=list)
    size: int = 0
    end: Envelope | None = None
    ended: bool = False

    @property
    def told(self) -> list[Envelope]:
        return self.envelopes if self.end is None else [*self.envelopes, self.end]


@dataclass(slots=True)
class Counters:
    """`published` to the bus, `stored`, `dropped` before the bus, `unstored` of the durable
    ones (the store refused them, or was away or too slow for too long)."""

    published: int = 0
    stored: int = 0
    dropped: int = 0
    unstored: int = 0


class Outbox:
    """Durable events that the store does not have yet."""

    def __init__(self, store: Store, counters: Counters) -> None:
        self._counters = counters
        self._store = store
        self._durable: dict[str, _Backlog] = {}
        self._durable_bytes = 0
        self._is_away = False
        self._flushes: list[Flush] = []
        self._storable = asyncio.Event()
        self._hurry = asyncio.Event()

    def keep(self, envelope: Envelope, size: int) -> None:
        """Takes a durable event, whose data has `size` bytes, if there is room for it."""
        size += EVENT_BYTES
        if self._durable_bytes + size > MAX_DURABLE_BYTES:
            self._counters.unstored += 1
            return
        backlog = self._durable.setdefault(envelope.event.execution_id, _Backlog())
        backlog.envelopes.append(envelope)
        backlog.size += size
        self._durable_bytes += size
        self._storable.set()

    def hurry(self, flush: Flush) -> None:
        """Has what was kept so far (of that execution) written at once."""
        self._flushes.append(flush)
        self._storable.set()
        self._hurry.set()

    async def run(self) -> None:
        """Writes until cancelled."""
        rest, pause = STORE_INTERVAL_S, FIRST_PAUSE_S
        while True:
            await self._storable.wait()
            await self._rest(rest)
            self._storable.clear()
            began = time.monotonic()
            if await self._store_round():
                took = time.monotonic() - began
                rest, pause = (
                    min(max(STORE_INTERVAL_S, took * REST_SHARE), MAX_REST_S),
                    FIRST_PAUSE_S,
                )
            else:
                self._storable.set()
                rest, pause = pause, min(pause * 2, MAX_PAUSE_S)

    async def _store_round(self) -> bool:
        """Writes every execution's events once, and what flushes wait for: what comes meanwhile
        is for the next round. False where the store is away."""
        due = set(self._durable)
        while due or self._flushes:
            written = await self._store_next()
            if written is None:
                return False
            due -= written
        return True

    async def _rest(self, seconds: float) -> None:
        """Lets events gather; meanwhile only what a flush waits for is written."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._flushes:
                await self._store_next()
                continue
            self._hurry.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._hurry.wait()

    async def _store_next(self) -> set[str] | None:
        """Writes the next executions' events, flushed ones' first, then ends these flushes. Says
        whose; None where the store is away, and then all flushes have ended."""
        flushes = [flush for flush in self._flushes if flush.execution_id]
        flushed = {flush.execution_id: flush.end for flush in flushes if flush.execution_id}
        backlogs = self._take_backlogs(list(flushed or self._durable), flushed)
        flushes = [
            flush
            for flush in flushes
            if flush.execution_id in backlogs
            or (flush.execution_id not in self._durable and flush.end is None)
        ]
        is_there = await self._append(backlogs)
        if not is_there:
            flushes = list(self._flushes)
        elif not self._durable:  # and whose end came meanwhile is written next
            flushes += [one for one in self._flushes if one.end is None and one not in flushes]
        for flush in flushes:
            self._flushes.remove(flush)
            if not flush.done.done():
                backlog = backlogs.get(flush.execution_id or "")
                flush.done.set_result(backlog is not None and backlog.ended)
        return set(backlogs) if is_there else None

    def _take_backlogs(
        self, execution_ids: Iterable[str], ends: Mapping[str, Envelope | None]
    ) -> dict[str, _Backlog]:
        """Those of these executions, in this order, that may be written together, with the ends
        of those that end."""
        taken: dict[str, _Backlog] = {}
        events = size = 0
        for execution_id in execution_ids:
            backlog, end = self._durable.get(execution_id), ends.get(execution_id)
            if backlog is None:
                if end is None:
                    continue
                backlog = _Backlog()
            events += len(backlog.envelopes) + (end is not None)
            size += backlog.size
            if taken and (
                len(taken) == MAX_TOGETHER
                or events > MAX_TOGETHER_EVENTS
                or size > MAX_TOGETHER_BYTES
            ):
                break
            self._durable.pop(execution_id, None)
            backlog.end = end
            taken[execution_id] = backlog
        return taken

    async def _append(self, backlogs: dict[str, _Backlog]) -> bool:
        """Writes the events, or puts them back before what came meanwhile and says False."""
        left = dict(backlogs)
        try:
            for execution_id in await self._append_together(left):
                backlog = left.pop(execution_id)
                backlog.ended = backlog.end is not None
                self._counters.stored += len(backlog.envelopes)
                self._durable_bytes -= backlog.size
            for execution_id, backlog in list(left.items()):
                await self._append_alone(execution_id, backlog)
                del left[execution_id]
                self._durable_bytes -= backlog.size
        except UnavailableError as error:
            if not self._is_away:
                self._is_away = True
                log.warning("the store is away, events wait for it: %s", error)
            for execution_id, backlog in left.items():
                self._put_back(execution_id, backlog)
            return False
        if self._is_away:
            self._is_away = False
            log.info("the store is back, %d executions have events for it", len(self._durable))
        return True

    async def _append_together(self, backlogs: Mapping[str, _Backlog]) -> set[str]:
        """Whose events the store has written in one transaction; the others' are for one each."""
        told = [
            Told(
                id, [one.event for one in backlog.told], backlog.told[0].edition, bool(backlog.end)
            )
            for id, backlog in backlogs.items()
            if len({one.edition for one in backlog.told}) == 1
        ]
        if not told:
            return set()
        try:
            return await self._store.append_round(told)
        except UnavailableError:
            raise
        except Exception:  # whosever fault it is, each alone says
            return set()

    async def _append_alone(self, execution_id: str, backlog: _Backlog) -> None:
        """In a transaction of its own. Raises `UnavailableError`; whatever else the store says
        against the events is counted."""
        try:
            for edition, told in groupby(backlog.envelopes, attrgetter("edition")):
                events = [envelope.event for envelope in told]
                await self._store.append_events(execution_id, events, edition=edition)
        except UnavailableError:
            raise
        except NotFoundError:
            # a run that was started without the API has no row, and needs none
            log.debug("execution %s has no row", execution_id)
        except Exception as error:
            self._counters.unstored += len(backlog.envelopes)
            log.warning(
                "%d events of execution %s were not stored now, its last activity will: %s",
                len(backlog.envelopes),
                execution_id,
                error,
            )
        else:
            self._counters.stored += len(backlog.envelopes)

    def _put_back(self, execution_id: str, backlog: _Backlog) -> None:
        backlog.end = None
        if not backlog.envelopes:
            return
        if (newer := self._durable.pop(execution_id, None)) is not None:
            backlog.envelopes += newer.envelopes
            backlog.size += newer.size
        self._durable[execution_id] = backlog
