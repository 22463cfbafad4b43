"""`TriggerStore` on Supabase. With the service key throughout: a webhook is looked for before it is
known who calls, and a worker looks after everybody's schedules."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pilot.errors import NotFoundError
from pilot.store import Page, json_text
from pilot.store.paging import page
from pilot.store.queries import storable
from pilot.store.supabase.connection import Connection
from pilot.store.supabase.records import record, window
from pilot.store.triggers import (
    MAX_TRIGGERS,
    Trigger,
    TriggerKind,
    changed,
    read_trigger,
    stale,
    trigger_row,
)
from pilot.store.values import owner_id, plain, utc


class SupabaseTriggers:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def create(self, trigger: Trigger) -> None:
        await self._connection.write_all(
            "create_trigger", trigger=_row(trigger), limit=MAX_TRIGGERS
        )

    async def get(self, trigger_id: str) -> Trigger | None:
        found = await self._connection.read_all("get_trigger", id=plain(trigger_id))
        return None if found is None else read_trigger(record(found))

    async def find(self, token_hash: str) -> Trigger | None:
        found = await self._connection.read_all("find_trigger", hash=plain(token_hash))
        return None if found is None else read_trigger(record(found))

    async def listing(
        self,
        owner: str,
        *,
        workflow_id: str | None = None,
        kind: TriggerKind | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Trigger]:
        found = await self._connection.read_all(
            "list_triggers",
            owner=owner_id(owner),
            workflow_id=None if workflow_id is None else plain(workflow_id),
            kind=kind,
            **window(limit, cursor),
        )
        return page([record(row) for row in found], read_trigger, limit=limit)

    async def update(self, trigger: Trigger, *, expected: int | None = None) -> Trigger:
        while True:
            before = await self.get(trigger.id)
            if before is None:
                raise NotFoundError(f"there is no trigger {trigger.id}")
            if expected not in (None, before.revision):
                raise stale(before, expected)
            after = changed(before, trigger)
            if after == before:
                return before
            # not where somebody has changed it since: then it is looked at again
            if await self._connection.write_all(
                "update_trigger", trigger=_row(after), revision=before.revision
            ):
                return after

    async def delete(self, trigger_id: str) -> None:
        await self._connection.write_all("delete_trigger", id=plain(trigger_id))

    async def failed(self, trigger_id: str, failure: dict[str, Any] | None) -> None:
        text = None if failure is None else json_text.dumps(failure)
        await self._connection.write_all("trigger_failed", id=plain(trigger_id), failure=text)

    async def was_applied(self, trigger_id: str, revision: int) -> None:
        await self._connection.write_all(
            "trigger_applied", id=plain(trigger_id), revision=storable(revision)
        )

    async def unapplied(self, *, limit: int = 100) -> list[Trigger]:
        found = await self._connection.read_all("unapplied_triggers", size=storable(limit))
        return [read_trigger(record(row)) for row in found]

    async def schedules(self, *, after: str = "", limit: int = 1000) -> list[Trigger]:
        found = await self._connection.read_all(
            "list_schedules", after=plain(after), size=storable(limit)
        )
        return [read_trigger(record(row)) for row in found]


def _row(trigger: Trigger) -> dict[str, Any]:
    row = trigger_row(trigger)
    for name in ("owner", "created_by"):
        row[name] = owner_id(row[name])
    for name in ("id", "workflow_id", "name", "note"):
        row[name] = plain(row[name])
    return {
        name: utc(value) if isinstance(value, datetime) else value for name, value in row.items()
    }
