"""The durable events of an execution after some `seq`: from the run itself, or the store."""

from __future__ import annotations

from collections.abc import AsyncIterator

from api.runs import QueryError, Runs
from pilot.events.model import Event
from pilot.events.preview import trim
from pilot.graph.status import ExecutionStatus
from pilot.store import Store

PAGE = 500


class History:
    """An open run is asked by query, which knows every event at once; a finished one, one
    that has not begun, and one that cannot be asked are read from the store."""

    def __init__(self, store: Store, runs: Runs) -> None:
        self._store = store
        self._runs = runs

    async def after(
        self, owner: str, execution_id: str, seq: int, status: ExecutionStatus | None = None
    ) -> AsyncIterator[Event]:
        """Trimmed events in order of `seq`. `status` is the row's, if it is known."""
        from_run = status is None or not (status.is_final or status is ExecutionStatus.QUEUED)
        while True:
            if from_run:
                try:
                    events, more = await self._runs.events(execution_id, seq)
                except QueryError:
                    from_run = False
                    continue
            else:
                events = await self.stored(owner, execution_id, seq)
                more = len(events) >= PAGE
            for event in events:
                if event.seq is not None and event.seq > seq:
                    seq = event.seq
                    yield trim(event)
            if not more or not events:
                return

    async def stored(self, owner: str, execution_id: str, seq: int) -> list[Event]:
        return await self._store.events(owner, execution_id, after_seq=seq, limit=PAGE)
