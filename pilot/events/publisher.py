"""A worker's way out for events: batches to the bus, and apart from that to the store.

Workflow and activity code call `emit` from any thread and go on at once. While the store is
away, events wait for it within a bound. What is lost here (a full queue, an outage longer than
the bound) costs a run nothing: watchers see the gap in `seq` and repair it by query, and at a
run's end a durable activity writes the whole truth.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from pilot.events.bus import Outbound
from pilot.events.model import FINAL_EVENT_TYPES, Envelope
from pilot.events.outbox import Counters, Flush, Outbox
from pilot.events.preview import trim_measured
from pilot.store import Store

log = logging.getLogger(__name__)

MAX_PENDING = 50_000
"""Events not yet handed to the bus; from half of it on, live-only ones are dropped."""
MAX_FINALS = 1_000
"""Last events that wait to be recorded; a larger one than `MAX_FINAL_BYTES` does not wait."""
MAX_FINAL_BYTES = 64 * 1024
BUS_INTERVAL_S = 0.025
"""After a batch: what comes alone goes at once, a burst in frames of an animation's length. Each
batch costs the API a system call a watcher: at 10 ms, a hundred watchers made a fast run take a
tenth more time."""
MAX_BATCH = 500
CLOSE_S = 5.0


@dataclass(frozen=True, slots=True)
class _End:
    """In the queue: a run's last event, for the bus alone."""

    envelope: Envelope


class Publisher:
    """Use as `async with Publisher(bus, store) as publisher: sink.install(publisher.emit)`.

    Neither bus nor store is closed by it. Only events with a `seq` go to the store.
    """

    def __init__(self, bus: Outbound, store: Store) -> None:
        self.counters = Counters()
        self._bus = bus
        self._outbox = Outbox(store, self.counters)
        self._pending: deque[Envelope | _End | Flush] = deque()
        self._lock = threading.Lock()
        self._woken = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arrived = asyncio.Event()
        self._finals: dict[str, Envelope] = {}
        self._flushed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._tasks = [
            asyncio.create_task(self._feed_bus(), name="events to the bus"),
            asyncio.create_task(self._outbox.run(), name="events to the store"),
        ]
        self._wake()
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self.flush()
        self._loop = None
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def run(self) -> None:
        """Publishes until cancelled."""
        async with self:
            await asyncio.Event().wait()

    def emit(self, envelope: Envelope) -> None:
        """Hands an event over, from any thread. Never blocks, never raises."""
        waiting = len(self._pending)
        if waiting >= MAX_PENDING or (waiting >= MAX_PENDING // 2 and envelope.event.seq is None):
            with self._lock:
                self.counters.dropped += 1
            return
        self._pending.append(envelope)
        self._wake()

    def tell_end(self, envelope: Envelope) -> None:
        """Puts a run's last event on the bus, which `emit` keeps back for `take_final`."""
        self._pending.append(_End(envelope))
        self._flushed.set()
        self._wake()

    async def flush(self, execution_id: str | None = None, *, last_seq: int = 0) -> bool:
        """Waits until all that was emitted before (of one execution) is on the bus and was
        offered to the store, which may have refused it or be away. At once where nothing
        runs.

        Where the run's last event is kept for `take_final`, and has this `last_seq`, it is offered,
        too. Whether it was written, which it is only where all before it are there."""
        if not self._tasks:
            return False
        flush = Flush(execution_id, asyncio.get_running_loop().create_future(), last_seq)
        self._pending.append(flush)
        self._flushed.set()
        self._wake()
        return await flush.done

    def _wake(self) -> None:
        loop = self._loop
        # `_woken` spares a burst the wake-up a piece. The reader clears it before it looks at
        # the queue, so an event appended meanwhile is seen or wakes it again.
        if loop is None or self._woken:
            return
        self._woken = True
        try:
            loop.call_soon_threadsafe(self._arrived.set)
        except RuntimeError:  # the loop was closed under a thread that still runs
            self._woken = False

    async def _feed_bus(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            self._woken = False
            while self._pending:
                await self._publish(self._take())
            with suppress(TimeoutError):  # a run's end does not wait for what may still come
                async with asyncio.timeout(BUS_INTERVAL_S):
                    await self._flushed.wait()
            self._flushed.clear()

    def _take(self) -> list[Envelope]:
        """The next envelopes, trimmed; durable ones and flushes also go to the store's side."""
        batch: list[Envelope] = []
        while self._pending and len(batch) < MAX_BATCH:
            item = self._pending[0]
            if isinstance(item, Flush):
                if batch:  # to be published before the flush is seen
                    break
                self._pending.popleft()
                self._outbox.hurry(replace(item, end=self._end_of(item)))
                continue
            self._pending.popleft()
            envelope = item.envelope if isinstance(item, _End) else item
            trimmed, size = trim_measured(envelope.event)
            if isinstance(item, _End):
                batch.append(replace(envelope, event=trimmed))
            elif item.edition and item.event.type in FINAL_EVENT_TYPES:
                # Another worker may do the recording, and then fetches the event by query. One
                # without edition is of a run that was closed from outside, and is stored already.
                if size <= MAX_FINAL_BYTES:
                    self.keep_final(item)
            else:
                batch.append(replace(item, event=trimmed))
                if item.event.seq is not None:
                    self._outbox.keep(item, size)
        return batch

    def _end_of(self, flush: Flush) -> Envelope | None:
        final = self._finals.get(flush.execution_id or "")
        return final if final is not None and final.event.seq == flush.last_seq else None

    def take_final(self, execution_id: str) -> Envelope | None:
        """The run's last event, if it was emitted here. It goes neither to the bus nor to the
        store by itself, for the workflow task that it happened in may yet be lost: whoever
        records the run, which is after that, has it written once all before it are there, and tells
        it. So an execution is final only when it is complete, and an end that was told is true."""
        return self._finals.pop(execution_id, None)

    def keep_final(self, envelope: Envelope) -> None:
        """Keeps a run's last event for `take_final`, the oldest giving way."""
        self._finals[envelope.event.execution_id] = envelope
        if len(self._finals) > MAX_FINALS:
            del self._finals[next(iter(self._finals))]

    async def _publish(self, batch: list[Envelope]) -> None:
        if not batch:
            return
        try:
            await self._bus.publish(batch)
        except Exception:
            log.exception("the bus refused %d events", len(batch))
            self.counters.dropped += len(batch)
        else:
            self.counters.published += len(batch)
