"""One execution as one watcher sees it: what came after some `seq`, then live.

The live buffer is open before the past is read, so nothing falls between; what is in both is
known by its `seq`, so nothing comes twice. Only a snapshot begins anew: what was told may be void.
Of a model that speaks, its text so far comes before its next token, as one token.
"""

from __future__ import annotations

import asyncio
import itertools
import logging

from api.live.delivery import Delivery
from api.live.feed import Feed
from api.live.history import History
from api.live.outbox import Inbox
from api.live.snapshot import gap, going_on_before
from api.live.texts import TextsSoFar
from pilot.errors import PilotError
from pilot.events.edition import UNKNOWN, is_void
from pilot.events.model import FINAL_EVENT_TYPES, EventType
from pilot.events.texts import NODE_ENDS, NodeKey, SoFar, node_key
from pilot.graph.status import ExecutionStatus
from pilot.store import Execution

log = logging.getLogger(__name__)

MAX_BUFFERED = 5_000
CATCH_UP_DELAYS_S = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, *[2.0] * 14)
"""Half a minute: for so long nobody may be there to fill a gap, when a worker was killed and has
yet to be replaced. What is shown behind a gap is not all true, so it is the last resort."""
LATE_CATCH_UP_S = 2.0


class Watch:
    """Make it, let `deliver` have the execution's live events at once, then `replay`."""

    def __init__(
        self, feed: Feed, history: History, outbox: Inbox, owner: str, execution_id: str
    ) -> None:
        self.owner = owner
        self.execution_id = execution_id
        self.last_seq = 0
        self.final = False
        self._feed = feed
        self._history = history
        self._outbox = outbox
        self._buffer: list[Delivery] = []
        self._overran = False
        self._is_superseded = False
        self._live = False
        self._workflow_id = ""
        self._ended_nodes: set[NodeKey] = set()
        self._texts = TextsSoFar()
        # All that went out before the buffer was open must come from the past.
        self._required = feed.last_seq(execution_id)

    def deliver(self, delivery: Delivery) -> None:
        if delivery.event.type is EventType.SNAPSHOT:
            self._start_over(delivery)
        elif self._live:
            self._pass_on(delivery)
        elif len(self._buffer) < MAX_BUFFERED:
            self._buffer.append(delivery)
        else:
            self._overran = True

    async def begin(self, after_seq: int | None, execution: Execution) -> None:
        """As `replay`, but first a snapshot where nothing is known (None), or where what came
        up to `after_seq` may be void: another worker has done again what it was told of.

        `execution` is a row read after the buffer was open.
        """
        self._workflow_id = execution.workflow_id
        await self._feed.ready(self.owner)
        edition = max(execution.edition, self._feed.edition(self.execution_id))
        if after_seq is None or _may_be_void(after_seq, edition, execution):
            shown = await self._snapshot(edition, retells_end=after_seq is not None)
            await self._outbox.put_patiently(shown)
            after_seq = shown.event.seq or 0
        await self.replay(after_seq, execution.status, edition)

    async def replay(self, after_seq: int, status: ExecutionStatus, edition: str = UNKNOWN) -> None:
        """Sends what came after `after_seq`, then what came meanwhile, then goes live.

        `status` is that of a row read after the buffer was open, `edition` the newest that was
        known then.
        """
        self.last_seq = after_seq
        self._edition = edition
        await self._feed.ready(self.owner)
        await self._past(status)
        delays = iter(CATCH_UP_DELAYS_S)
        while not (self._is_superseded or self._is_caught_up):
            delay = next(delays, None)
            if delay is None and self._misses and not self._overran:
                break  # a gap stays before what is to be told
            if self._overran:
                self._overran = False
                self._buffer.clear()
                self._required = self._feed.last_seq(self.execution_id)
            # what went out before is not told again, and may be all there was to tell (the last
            # event of a run whose worker died before it was stored): it is waited for
            await asyncio.sleep(LATE_CATCH_UP_S if delay is None else delay)
            await self._past(status)
        if not self.final and not status.is_final:
            texts = await self._feed.texts(self.owner, self.execution_id)
            self._texts.begin(one for one in texts if one.key not in self._ended_nodes)
        await self._flush()
        self._live = True
        if not self.final and not status.is_final:
            self._feed.expect(self.owner, self.execution_id, self.last_seq, edition)

    async def _snapshot(self, edition: str, *, retells_end: bool) -> Delivery:
        """Waits for the store where it has not taken back what is void in that edition."""
        delays = itertools.chain(CATCH_UP_DELAYS_S, itertools.repeat(CATCH_UP_DELAYS_S[-1]))
        while True:
            shown = await self._history.snapshot(
                self.owner, self.execution_id, edition, retells_end=retells_end
            )
            if shown is not None:
                return shown
            await asyncio.sleep(next(delays))

    def _start_over(self, shown: Delivery) -> None:
        """The feed shows the execution anew: what came before may be void."""
        self.final = False
        if self._live:
            self._note(shown)
            self._outbox.put(shown)
        else:
            self._buffer = [shown]
            self._is_superseded, self._overran = True, False

    @property
    def _is_caught_up(self) -> bool:
        if self._overran:
            return False
        return self.final or (self.last_seq >= self._required and not self._misses)

    @property
    def _misses(self) -> bool:
        """Whether what was buffered does not follow on what was sent."""
        ahead = (one.event.seq for one in self._buffer if one.event.seq is not None)
        return next((seq for seq in ahead if seq > self.last_seq), 0) > self.last_seq + 1

    async def _past(self, status: ExecutionStatus) -> None:
        # a row may still say `queued` when the run has said more
        has_begun = status is ExecutionStatus.QUEUED and (self._buffer or self._required)
        async for event in self._history.after(
            self.owner,
            self.execution_id,
            self.last_seq,
            None if has_begun else status,
            self._edition,
        ):
            if self._is_superseded:
                return
            if event.type in NODE_ENDS:
                self._ended_nodes.add(node_key(event))
            await self._send(Delivery(event))

    async def _flush(self) -> None:
        while self._buffer or self._texts.waiting:
            buffered, self._buffer = self._buffer, []
            for delivery in buffered:
                event = delivery.event
                if self._texts.has(event):
                    continue
                if (text := self._texts.before(event)) is not None:
                    await self._say(text)
                is_new = event.type is EventType.SNAPSHOT or (event.seq or 0) > self.last_seq
                if event.seq is None and node_key(event) in self._ended_nodes:
                    continue  # a token of an answer that was replayed whole
                if event.seq is None or is_new:
                    await self._send(delivery)
            for text in self._texts.take():
                await self._say(text)

    async def _say(self, text: SoFar) -> None:
        event = text.event(self.execution_id, self._workflow_id)
        await self._outbox.put_patiently(Delivery(event))

    async def _send(self, delivery: Delivery) -> None:
        """Of the past, or of what came meanwhile. What does not follow on what was sent has a gap
        before it that nobody could fill: the watcher is told, and shown the execution."""
        event = delivery.event
        before = event.seq
        if before is not None and event.type is not EventType.SNAPSHOT and self._skips(before):
            log.warning("execution %s: a watcher goes on behind a gap", self.execution_id)
            told = gap(self.execution_id, event.workflow_id, self.last_seq, before)
            await self._outbox.put_patiently(told)
            shown = await self._shown()
            if shown is not None:
                await self._outbox.put_patiently(going_on_before(shown, before))
            self._feed.went_on(self.owner, self.execution_id, self.last_seq, before)
        self._note(delivery)
        await self._outbox.put_patiently(delivery)

    def _skips(self, seq: int) -> bool:
        return seq > self.last_seq + 1

    async def _shown(self) -> Delivery | None:
        try:
            return await self._history.snapshot(
                self.owner, self.execution_id, self._edition, retells_end=True
            )
        except (PilotError, TimeoutError) as error:
            log.debug("execution %s cannot be shown: %s", self.execution_id, error)
            return None

    def _pass_on(self, delivery: Delivery) -> None:
        seq = delivery.event.seq
        if self._texts.has(delivery.event):
            return
        if seq is None or seq > self.last_seq:
            self._note(delivery)
            self._outbox.put(delivery)

    def _note(self, delivery: Delivery) -> None:
        if delivery.event.seq is not None:
            self.last_seq = delivery.event.seq
        self.final = self.final or delivery.event.type in FINAL_EVENT_TYPES


def _may_be_void(after_seq: int, edition: str, execution: Execution) -> bool:
    """Whether a watcher that has had events up to `after_seq` may have had others than the run
    has. It cannot be told which edition they were of."""
    if execution.status.is_final and after_seq > execution.last_seq:
        return True
    return is_void(after_seq, edition)


class OfOne:
    """Passes on the events of the watched execution only."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def deliver(self, delivery: Delivery) -> None:
        if delivery.event.execution_id == self._watch.execution_id:
            self._watch.deliver(delivery)
