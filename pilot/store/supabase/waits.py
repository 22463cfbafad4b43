"""`WaitStore` on Supabase: of the API's and the worker's alone, since an approver may be of another
tenant than the run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from pilot.store import Page, json_text, waits
from pilot.store.paging import page
from pilot.store.supabase.connection import Connection
from pilot.store.supabase.records import record, window
from pilot.store.values import owner_id, plain
from pilot.store.waits import Person, Wait, WaitingFor, wait_id


class SupabaseWaits:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def put(self, wait: Wait) -> None:
        await self._connection.write_all(
            "put_wait",
            id=plain(wait.id),
            execution_id=plain(wait.execution_id),
            node_id=plain(wait.node_id),
            path=plain(wait.path),
            kind=wait.kind,
            temporal_id=plain(wait.temporal_id),
            seq=wait.seq,
            role=None if wait.role is None else wait.role.value,
            allow_self=wait.allow_self,
            data=json_text.dumps(wait.data),
            created_at=_text(wait.created_at),
            expires_at=_text(wait.expires_at),
            closed_at=_text(wait.closed_at),
            users=[owner_id(user) for user in wait.users],
            answered=[owner_id(user) for user in wait.answered],
        )

    async def get(self, execution_id: str, node_id: str, path: str) -> Wait | None:
        found = await self._read(execution_id, wait_id(execution_id, node_id, path))
        return found[0] if found else None

    async def of_execution(self, execution_id: str) -> list[Wait]:
        return await self._read(execution_id, None)

    async def _read(self, execution_id: str, id: str | None) -> list[Wait]:
        found: list[dict[str, Any]] = await self._connection.read_all(
            "waits", execution_id=plain(execution_id), id=None if id is None else plain(id)
        )
        return [
            waits.wait(record(row), [SimpleNamespace(**one) for one in row["people"]])
            for row in found
        ]

    async def waiting_for(
        self, person: Person, *, limit: int = 50, cursor: str | None = None
    ) -> Page[WaitingFor]:
        found = await self._connection.read_all(
            "waiting_for",
            user=owner_id(person.user_id),
            owner=owner_id(person.owner),
            roles=person.answers,
            grantees=[owner_id(one) for one in person.grantees],
            **window(limit, cursor),
        )
        return page([record(row) for row in found], waits.waiting, limit=limit)


def _text(moment: Any) -> Any:
    return None if moment is None else moment.isoformat()
