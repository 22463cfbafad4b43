"""The durable events of an execution after some `seq`: from the store, and from the run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from api.executions.resource import execution_out
from api.live.delivery import Delivery
from api.live.shared_calls import SharedCalls
from api.live.snapshot import snapshot
from api.pending import PendingRuns
from api.problems import Problem
from api.runs import QueryError, Runs
from pilot.events.edition import UNKNOWN, begins_after
from pilot.events.model import Event
from pilot.events.preview import trim
from pilot.graph.status import ExecutionStatus
from pilot.settings import Settings
from pilot.store import Execution, Progress, Store

PAGE = 500


class History:
    """The store answers at once, but may lag or lack an event; an open run knows them all,
    but answers only while a worker polls. So the store is read up to its first gap, and the
    run is asked for what follows. Watchers who ask the same at once share the answer."""

    def __init__(
        self, store: Store, runs: Runs, settings: Settings, pending: PendingRuns | None = None
    ) -> None:
        self._store = store
        self._settings = settings
        self._runs = runs
        self._pending = pending
        self._shared = SharedCalls()

    async def after(
        self,
        owner: str,
        execution_id: str,
        seq: int,
        status: ExecutionStatus | None = None,
        edition: str = UNKNOWN,
    ) -> AsyncIterator[Event]:
        """Trimmed events in order of `seq`, of that edition or a newer one. `status` is the
        row's, if it is known: a run that has finished, or not begun, is not asked."""
        is_open = status is None or not (status.is_final or status is ExecutionStatus.QUEUED)
        last = await self._last_true(execution_id, edition) if is_open else None
        async for event in self._stored(owner, execution_id, seq, last):
            assert event.seq is not None
            if is_open and event.seq != seq + 1:
                break
            seq = event.seq
            yield event
        if not is_open:
            return
        more = True
        while more:
            try:
                events, more = await self.asked(execution_id, seq)
            except QueryError:
                async for event in self._stored(owner, execution_id, seq, last):
                    yield event
                return
            for event in events:
                if event.seq is not None and event.seq > seq:
                    seq = event.seq
                    yield event

    async def require_kept(self, execution: Execution, seq: int) -> None:
        """Raises `Problem` (410) where the run has ended and its events after `seq` were deleted
        before itself."""
        if not execution.status.is_final or execution.last_seq <= seq:
            return
        if not await self.stored(execution.owner, execution.id, seq):
            raise Problem(
                410,
                "events_pruned",
                f"The events of execution {execution.id} were deleted; GET shows what it came to.",
            )

    async def stored(self, owner: str, execution_id: str, seq: int) -> list[Event]:
        """A page of what the store has."""
        key = ("store", owner, execution_id, seq)
        return await self._shared(
            key, lambda: self._store.events(owner, execution_id, after_seq=seq, limit=PAGE)
        )

    async def asked(self, execution_id: str, seq: int) -> tuple[list[Event], bool]:
        """A page of what the run has, trimmed, and whether more are behind it. Raises
        `QueryError` where the run does not answer."""

        async def ask() -> tuple[list[Event], bool]:
            events, more = await self._runs.events(execution_id, seq)
            return [trim(event) for event in events], more and bool(events)

        return await self._shared(("run", execution_id, seq), ask)

    async def has_between(self, execution_id: str, after_seq: int, before_seq: int) -> bool:
        """Whether the store has all of those events, or the run answers."""
        if await self._store.missing_from(execution_id) >= before_seq:
            return True
        try:
            events, _ = await self.asked(execution_id, after_seq)
        except QueryError:
            return False
        return bool(events) and events[0].seq == after_seq + 1

    async def progress(self, execution_ids: Sequence[str]) -> list[Progress]:
        """How far the store is."""
        return await self._store.progress(execution_ids)

    async def begun(self, owners: Sequence[str], since: datetime) -> list[Progress]:
        """The owners' executions that were created since then and have begun."""
        return await self._store.begun(owners, since=since)

    async def snapshot(
        self, owner: str, execution_id: str, edition: str, *, retells_end: bool
    ) -> Delivery | None:
        """The execution in a message from which a watcher can go on; None while the store has
        not heard of that edition. `retells_end`: the last event of a run is not in it yet."""

        async def make() -> Delivery | None:
            before = await self._edition(execution_id)
            seq = await self._store.missing_from(execution_id) - 1
            execution = await self._store.get_execution(owner, execution_id)
            pending = None if self._pending is None else await self._pending.of_row(execution)
            shown = await execution_out(self._store, self._settings, execution, pending)
            if execution.status.is_final:
                return snapshot(shown, min(seq, execution.last_seq - 1) if retells_end else seq)
            has_void = begins_after(edition) is not None and before < edition
            if has_void or await self._edition(execution_id) != before:
                return None
            return snapshot(shown, seq)

        return await self._shared(("snapshot", owner, execution_id, edition, retells_end), make)

    async def _edition(self, execution_id: str) -> str:
        """The newest that the store knows."""
        return next((each.edition for each in await self.progress([execution_id])), UNKNOWN)

    async def _last_true(self, execution_id: str, edition: str) -> int | None:
        """The last stored event that must hold in that edition; None where all do."""
        shared = begins_after(edition)
        if shared is None or await self._edition(execution_id) >= edition:
            return None
        return shared

    async def _stored(
        self, owner: str, execution_id: str, seq: int, last: int | None = None
    ) -> AsyncIterator[Event]:
        while events := await self.stored(owner, execution_id, seq):
            for event in events:
                seq = event.seq or seq
                if last is not None and seq > last:
                    return
                yield event
            if len(events) < PAGE:
                return
