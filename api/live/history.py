"""The durable events of an execution after some `seq`: from the store, and from the run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from api.live.shared_calls import SharedCalls
from api.runs import QueryError, Runs
from pilot.events.model import Event
from pilot.events.preview import trim
from pilot.graph.status import ExecutionStatus
from pilot.store import Progress, Store

PAGE = 500


class History:
    """The store answers at once, but may lag or lack an event; an open run knows them all,
    but answers only while a worker polls. So the store is read up to its first gap, and the
    run is asked for what follows. Watchers who ask the same at once share the answer."""

    def __init__(self, store: Store, runs: Runs) -> None:
        self._store = store
        self._runs = runs
        self._shared = SharedCalls()

    async def after(
        self, owner: str, execution_id: str, seq: int, status: ExecutionStatus | None = None
    ) -> AsyncIterator[Event]:
        """Trimmed events in order of `seq`. `status` is the row's, if it is known: a run that
        has finished, or not begun, is not asked."""
        is_open = status is None or not (status.is_final or status is ExecutionStatus.QUEUED)
        async for event in self._stored(owner, execution_id, seq):
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
                async for event in self._stored(owner, execution_id, seq):
                    yield event
                return
            for event in events:
                if event.seq is not None and event.seq > seq:
                    seq = event.seq
                    yield event

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

    async def progress(self, execution_ids: Sequence[str]) -> list[Progress]:
        """How far the store is."""
        return await self._store.progress(execution_ids)

    async def begun(self, owners: Sequence[str], since: datetime) -> list[Progress]:
        """The owners' executions that were created since then and have begun."""
        return await self._store.begun(owners, since=since)

    async def _stored(self, owner: str, execution_id: str, seq: int) -> AsyncIterator[Event]:
        while events := await self.stored(owner, execution_id, seq):
            for event in events:
                yield event
                seq = event.seq or seq
            if len(events) < PAGE:
                return
