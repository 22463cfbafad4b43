"""Workflows that their owners let others see, run or edit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Select, and_, case, delete, func, insert, select, update

from pilot.errors import ConflictError, NotFoundError
from pilot.roles import Role
from pilot.store import Page, WorkflowSummary, rows
from pilot.store.database import Database
from pilot.store.paging import newest_first, page
from pilot.store.prepared import prepared
from pilot.store.tables import executions, shares, workflows

MAX_SHARES = 200
"""With how many a workflow may be shared."""


@dataclass(frozen=True, slots=True)
class Share:
    """`grantee` is the id of a user or of an organisation."""

    workflow_id: str
    grantee: str
    role: Role
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Grant:
    """Whose an object is, and the highest role in which it is shared with the one who asked;
    None where it is not."""

    owner: str
    role: Role | None


@dataclass(frozen=True, slots=True)
class SharedWorkflow:
    """A workflow of somebody else's, as a list shows it."""

    workflow: WorkflowSummary
    grant: Grant


class ShareStore(Protocol):
    """Every implementation passes `tests/store/test_shares.py`."""

    async def put(self, owner: str, workflow_id: str, grantee: str, role: Role) -> Share:
        """Shares the owner's workflow, or changes the role that it is shared by.

        Raises `NotFoundError`, or `ConflictError` (`too_many_shares`).
        """
        ...

    async def of_workflow(self, owner: str, workflow_id: str) -> list[Share]:
        """With whom the workflow is shared, by grantee. Raises `NotFoundError`."""
        ...

    async def delete(self, owner: str, workflow_id: str, grantee: str) -> None:
        """Raises `NotFoundError`."""
        ...

    async def of_execution(self, execution_id: str, grantees: Collection[str]) -> Grant | None:
        """Whose an execution is, and by what it is shared, through its workflow, which may be
        deleted. None: there is no such execution."""
        ...

    async def grant(self, workflow_id: str, grantees: Collection[str]) -> Grant | None:
        """Whose a workflow is, and by what it is shared with any of the grantees. None: there
        is none, or it is deleted."""
        ...

    async def roles(
        self, workflow_ids: Collection[str], grantees: Collection[str]
    ) -> dict[str, Role]:
        """The highest role in which each of the workflows, deleted or not, is shared with any of
        the grantees; those that are not shared with them are left out."""
        ...

    async def shared_with(
        self, grantees: Collection[str], *, limit: int = 50, cursor: str | None = None
    ) -> Page[SharedWorkflow]:
        """The workflows that are shared with any of the grantees, newest first."""
        ...


class SqlShares:
    """`ShareStore` on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, owner: str, workflow_id: str, grantee: str, role: Role) -> Share:
        now = datetime.now(UTC)
        at = (shares.c.workflow_id == workflow_id) & (shares.c.grantee == grantee)
        async with self._database.writing() as connection:
            # the lock: two new shares at once must not both be the last one allowed
            locked = select(workflows.c.id).where(_alive(owner, workflow_id)).with_for_update()
            if (await connection.execute(locked)).one_or_none() is None:
                raise _no_workflow(workflow_id)
            found = (await connection.execute(select(shares).where(at))).one_or_none()
            if found is not None:
                await connection.execute(update(shares).where(at), {"role": role.value})
                return Share(workflow_id, grantee, role, found.created_at)
            count = select(func.count()).where(shares.c.workflow_id == workflow_id)
            if ((await connection.execute(count)).scalar() or 0) >= MAX_SHARES:
                raise ConflictError(
                    f"a workflow is shared with at most {MAX_SHARES}", code="too_many_shares"
                )
            share = {
                "workflow_id": workflow_id,
                "grantee": grantee,
                "role": role.value,
                "created_at": now,
            }
            await connection.execute(insert(shares), share)
        return Share(workflow_id, grantee, role, now)

    async def of_workflow(self, owner: str, workflow_id: str) -> list[Share]:
        query = (
            select(workflows.c.id, shares)
            .join(shares, shares.c.workflow_id == workflows.c.id, isouter=True)
            .where(_alive(owner, workflow_id))
        )
        found = await self._database.rows(query)
        if not found:
            raise _no_workflow(workflow_id)
        listed = [
            Share(row.workflow_id, row.grantee, Role(row.role), row.created_at)
            for row in found
            if row.grantee is not None
        ]
        return sorted(listed, key=lambda share: share.grantee)

    async def delete(self, owner: str, workflow_id: str, grantee: str) -> None:
        owned = select(workflows.c.id).where(_alive(owner, workflow_id))
        statement = delete(shares).where(
            shares.c.workflow_id.in_(owned), shares.c.grantee == grantee
        )
        async with self._database.writing() as connection:
            result = await connection.execute(statement)
        if result.rowcount == 0:
            raise NotFoundError(f"workflow {workflow_id} is not shared with {grantee}")

    async def of_execution(self, execution_id: str, grantees: Collection[str]) -> Grant | None:
        return _highest(await self._database.rows(*_of_execution(execution_id, sorted(grantees))))

    async def grant(self, workflow_id: str, grantees: Collection[str]) -> Grant | None:
        return _highest(await self._database.rows(*_of_workflow(workflow_id, sorted(grantees))))

    async def roles(
        self, workflow_ids: Collection[str], grantees: Collection[str]
    ) -> dict[str, Role]:
        if not workflow_ids or not grantees:
            return {}
        query = select(shares.c.workflow_id, shares.c.role).where(
            shares.c.workflow_id.in_(sorted(workflow_ids)),
            shares.c.grantee.in_(sorted(grantees)),
        )
        found = await self._database.rows(query)
        return highest((row.workflow_id, Role(row.role)) for row in found)

    async def shared_with(
        self, grantees: Collection[str], *, limit: int = 50, cursor: str | None = None
    ) -> Page[SharedWorkflow]:
        # one row a workflow: two ways to be let in would repeat it
        highest = func.max(_RANK_OF_ROLE).label("rank")
        granted = (
            select(shares.c.workflow_id, highest)
            .where(shares.c.grantee.in_(sorted(grantees)))
            .group_by(shares.c.workflow_id)
            .subquery()
        )
        query = (
            select(workflows, granted.c.rank)
            .join(granted, granted.c.workflow_id == workflows.c.id)
            .where(workflows.c.deleted_at.is_(None))
        )
        query = newest_first(query, workflows, limit=limit, cursor=cursor)
        found = await self._database.rows(query)
        return page(
            found,
            lambda row: SharedWorkflow(
                rows.workflow_summary(row), Grant(row.owner, list(Role)[row.rank])
            ),
            limit=limit,
        )


def highest(found: Iterable[tuple[str, Role]]) -> dict[str, Role]:
    """By workflow the highest of its roles."""
    by_rank = sorted(found, key=lambda one: list(Role).index(one[1]))
    return dict(by_rank)


@prepared
def _of_execution(execution_id: str, grantees: list[str]) -> Select[Any]:
    return (
        select(executions.c.owner, shares.c.role)
        .join(shares, _shared(executions.c.workflow_id, grantees), isouter=True)
        .where(executions.c.id == execution_id)
    )


@prepared
def _of_workflow(workflow_id: str, grantees: list[str]) -> Select[Any]:
    return (
        select(workflows.c.owner, shares.c.role)
        .join(shares, _shared(workflows.c.id, grantees), isouter=True)
        .where(workflows.c.id == workflow_id, workflows.c.deleted_at.is_(None))
    )


def _highest(found: Sequence[Any]) -> Grant | None:
    if not found:
        return None
    roles = [Role(row.role) for row in found if row.role is not None]
    return Grant(found[0].owner, highest_role(roles))


def highest_role(roles: Collection[Role]) -> Role | None:
    return max(roles, key=list(Role).index, default=None)


_RANK_OF_ROLE = case({role.value: rank for rank, role in enumerate(Role)}, value=shares.c.role)


def _shared(workflow_id: ColumnElement[str], grantees: list[str]) -> Any:
    return and_(shares.c.workflow_id == workflow_id, shares.c.grantee.in_(grantees))


def _alive(owner: str, workflow_id: str) -> Any:
    return and_(
        workflows.c.id == workflow_id,
        workflows.c.owner == owner,
        workflows.c.deleted_at.is_(None),
    )


def _no_workflow(workflow_id: str) -> NotFoundError:
    return NotFoundError(f"there is no workflow {workflow_id}")
