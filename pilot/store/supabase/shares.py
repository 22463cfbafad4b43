"""`ShareStore` on Supabase."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pilot.errors import NotFoundError
from pilot.roles import Role
from pilot.store import Page, rows, shares
from pilot.store.paging import page
from pilot.store.shares import Grant, Share, SharedWorkflow
from pilot.store.supabase.connection import Connection
from pilot.store.supabase.records import moment, record, window
from pilot.store.values import owner_id, plain


class SupabaseShares:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def put(self, owner: str, workflow_id: str, grantee: str, role: Role) -> Share:
        created_at = await self._connection.write(
            "put_share",
            owner=owner_id(owner),
            workflow_id=plain(workflow_id),
            grantee=owner_id(grantee),
            role=role,
            limit=shares.MAX_SHARES,
        )
        return Share(workflow_id, grantee, role, moment(created_at))

    async def of_workflow(self, owner: str, workflow_id: str) -> list[Share]:
        found = await self._connection.read(
            "shares_of_workflow", owner=owner_id(owner), workflow_id=plain(workflow_id)
        )
        if found is None:
            raise NotFoundError(f"there is no workflow {workflow_id}")
        listed = [
            Share(workflow_id, row["grantee"], Role(row["role"]), moment(row["created_at"]))
            for row in found
        ]
        return sorted(listed, key=lambda share: share.grantee)

    async def delete(self, owner: str, workflow_id: str, grantee: str) -> None:
        await self._connection.write(
            "delete_share",
            owner=owner_id(owner),
            workflow_id=plain(workflow_id),
            grantee=owner_id(grantee),
        )

    async def of_execution(self, execution_id: str, grantees: Collection[str]) -> Grant | None:
        return _grant(
            await self._connection.read(
                "grant_of_execution", id=plain(execution_id), grantees=_ids(grantees)
            )
        )

    async def grant(self, workflow_id: str, grantees: Collection[str]) -> Grant | None:
        return _grant(
            await self._connection.read(
                "grant_of_workflow", id=plain(workflow_id), grantees=_ids(grantees)
            )
        )

    async def roles(
        self, workflow_ids: Collection[str], grantees: Collection[str]
    ) -> dict[str, Role]:
        if not workflow_ids or not grantees:
            return {}
        found = await self._connection.read(
            "roles_of_workflows",
            ids=[plain(id) for id in sorted(workflow_ids)],
            grantees=_ids(grantees),
        )
        return shares.highest((id, Role(role)) for id, role in found)

    async def shared_with(
        self, grantees: Collection[str], *, limit: int = 50, cursor: str | None = None
    ) -> Page[SharedWorkflow]:
        found = await self._connection.read(
            "shared_with", grantees=_ids(grantees), **window(limit, cursor)
        )
        return page([record(row) for row in found], _shared, limit=limit)


def _ids(grantees: Collection[str]) -> list[str]:
    return [owner_id(grantee) for grantee in grantees]


def _grant(found: dict[str, Any] | None) -> Grant | None:
    if found is None:
        return None
    return Grant(found["owner"], None if found["role"] is None else Role(found["role"]))


def _shared(row: Any) -> SharedWorkflow:
    return SharedWorkflow(rows.workflow_summary(row), Grant(row.owner, list(Role)[row.rank]))
