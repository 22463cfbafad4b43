"""`RetentionStore` on Supabase: the service's alone, since no user's token deletes a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from pilot.graph.status import ExecutionStatus
from pilot.store.queries import storable
from pilot.store.retention import EVENTS_AT_ONCE, Doomed
from pilot.store.supabase.connection import Connection
from pilot.store.supabase.records import moment
from pilot.store.values import owner_id, plain, utc


class SupabaseRetention:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def claim(
        self,
        batch: str,
        before: Mapping[ExecutionStatus, datetime],
        *,
        workflow_id: str | None = None,
        limit: int,
    ) -> int:
        count = 0
        for status, at in sorted(before.items()):
            if count >= limit:
                break
            count += await self._connection.write_all(
                "claim_executions",
                batch=plain(batch),
                status=status,
                before=utc(at),
                workflow_id=None if workflow_id is None else plain(workflow_id),
                size=storable(limit - count),
            )
        return count

    async def claim_events(self, batch: str, before: datetime, *, limit: int) -> int:
        return int(
            await self._connection.write_all(
                "claim_events", batch=plain(batch), before=utc(before), size=storable(limit)
            )
        )

    async def claimed(self, *, limit: int, events_alone: bool = False) -> list[Doomed]:
        kind = "events" if events_alone else "executions"
        found = await self._connection.read_all(f"claimed_{kind}", size=storable(limit))
        return [
            Doomed(row["pruned_by"], row["id"], row["owner"], moment(row["finished_at"]))
            for row in found
        ]

    async def release(self, execution_ids: Sequence[str]) -> None:
        await self._connection.write_all(
            "release_executions", ids=[plain(one) for one in execution_ids]
        )

    async def delete_execution(self, owner: str, execution_id: str) -> bool:
        while True:
            found = await self._connection.write_all(
                "delete_execution",
                owner=owner_id(owner),
                id=plain(execution_id),
                size=EVENTS_AT_ONCE,
            )
            if found["left"] == 0:
                return bool(found["deleted"])

    async def prune_events(self, execution_id: str) -> bool:
        while True:
            found = await self._connection.write_all(
                "prune_events_of", id=plain(execution_id), size=EVENTS_AT_ONCE
            )
            if found["left"] == 0:
                return bool(found["pruned"])

    async def purge_workflows(self, *, limit: int) -> int:
        return int(await self._connection.write_all("purge_workflows", size=storable(limit)))

    async def expire(self, usage_before: date | None, *, limit: int) -> int:
        return int(
            await self._connection.write_all(
                "expire", usage_before=usage_before, size=storable(limit)
            )
        )

    async def reclaim(self) -> int:
        return 0

    async def overrides(self, *, after: str = "", limit: int) -> list[tuple[str, float]]:
        found = await self._connection.read_all(
            "retention_overrides", after=plain(after), size=storable(limit)
        )
        return [(row["id"], row["retention_days"]) for row in found]

    async def days(self, owner: str, workflow_id: str) -> float | None:
        days: float | None = await self._connection.read_all(
            "retention_days", owner=owner_id(owner), id=plain(workflow_id)
        )
        return days

    async def set_days(self, owner: str, workflow_id: str, days: float | None) -> None:
        await self._connection.write_all(
            "set_retention_days", owner=owner_id(owner), id=plain(workflow_id), days=days
        )
