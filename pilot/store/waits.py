"""Nodes that wait for people or programs: where they are reached, and whom an approval waits for.

A worker writes a row as a node begins to wait, and again whenever that changes. What Temporal has
is the truth: a row of an execution that has ended is nobody's any more, whatever it says.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import ColumnElement, and_, delete, exists, func, insert, or_, select

from pilot.roles import Role
from pilot.store import Page, json_text
from pilot.store.database import Database
from pilot.store.paging import newest_first, page
from pilot.store.tables import IS_OPEN, executions, shares, wait_people, waits, workflows

APPROVAL = "approval"


@dataclass(frozen=True, slots=True)
class Wait:
    """A node that waits, and what its `data` shows of it. `temporal_id` is the Temporal workflow
    that it runs in. Who may answer an approval: `users`, and whoever has the `role` or a higher
    one; unless `allow_self`, not who started the run. `answered` are those who did. A later
    state has a higher `seq`."""

    execution_id: str
    node_id: str
    path: str
    kind: str
    temporal_id: str
    created_at: datetime
    seq: int = 0
    expires_at: datetime | None = None
    closed_at: datetime | None = None
    role: Role | None = None
    users: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()
    allow_self: bool = True
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return wait_id(self.execution_id, self.node_id, self.path)


@dataclass(frozen=True, slots=True)
class WaitingFor:
    """An approval that waits for somebody, and the workflow that it is about."""

    wait: Wait
    workflow_id: str
    workflow_name: str


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks: the user, as a member of which tenant, in which role there, and as whom else they
    may have been let in."""

    user_id: str
    owner: str
    role: Role
    grantees: tuple[str, ...] = ()

    @property
    def answers(self) -> list[str]:
        """The roles that theirs includes."""
        return included(self.role)


def included(role: Role) -> list[str]:
    return [other.value for other in Role if role.includes(other)]


def wait_id(execution_id: str, node_id: str, path: str) -> str:
    return f"{execution_id}/{node_id}/{path}"


class WaitStore(Protocol):
    """Every implementation passes `tests/store/test_waits.py`. Who may ask is for the caller to
    know."""

    async def put(self, wait: Wait) -> None:
        """Writes the row, or its later state. Of an execution that has no row nothing is kept."""
        ...

    async def get(self, execution_id: str, node_id: str, path: str) -> Wait | None: ...

    async def of_execution(self, execution_id: str) -> list[Wait]:
        """All of an execution's, the oldest first."""
        ...

    async def waiting_for(
        self, person: Person, *, limit: int = 50, cursor: str | None = None
    ) -> Page[WaitingFor]:
        """The open approvals that the person may answer and has not, newest first."""
        ...


class SqlWaits:
    """`WaitStore` on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, wait: Wait) -> None:
        known = select(executions.c.id).where(executions.c.id == wait.execution_id)
        before = select(waits.c.seq).where(waits.c.id == wait.id)
        async with self._database.writing() as connection:
            if (await connection.execute(known.with_for_update())).one_or_none() is None:
                return
            seq = (await connection.execute(before)).scalar_one_or_none()
            if seq is not None and seq > wait.seq:
                return
            await connection.execute(delete(wait_people).where(wait_people.c.wait_id == wait.id))
            await connection.execute(delete(waits).where(waits.c.id == wait.id))
            await connection.execute(insert(waits), _row(wait))
            people = [
                {
                    "wait_id": wait.id,
                    "user_id": user,
                    "may_answer": user in wait.users,
                    "has_answered": user in wait.answered,
                }
                for user in dict.fromkeys((*wait.users, *wait.answered))
            ]
            if people:
                await connection.execute(insert(wait_people), people)

    async def get(self, execution_id: str, node_id: str, path: str) -> Wait | None:
        found = await self._read(waits.c.id == wait_id(execution_id, node_id, path))
        return found[0] if found else None

    async def of_execution(self, execution_id: str) -> list[Wait]:
        return await self._read(waits.c.execution_id == execution_id)

    async def _read(self, condition: ColumnElement[bool]) -> list[Wait]:
        query = select(waits).where(condition).order_by(waits.c.created_at, waits.c.id)
        people = (
            select(wait_people)
            .join(waits, waits.c.id == wait_people.c.wait_id)
            .where(condition)
            .order_by(wait_people.c.user_id)
        )
        async with self._database.reading() as connection:
            found = (await connection.execute(query)).all()
            named = (await connection.execute(people)).all()
        return [wait(row, [one for one in named if one.wait_id == row.id]) for row in found]

    async def waiting_for(
        self, person: Person, *, limit: int = 50, cursor: str | None = None
    ) -> Page[WaitingFor]:
        me = wait_people.c.user_id == person.user_id
        mine = exists().where(wait_people.c.wait_id == waits.c.id, me)
        starter = func.coalesce(executions.c.started_by, executions.c.owner)
        query = (
            select(waits, workflows.c.id.label("workflow_id"), workflows.c.name)
            .join(executions, executions.c.id == waits.c.execution_id)
            .join(workflows, workflows.c.id == executions.c.workflow_id)
            .where(
                waits.c.kind == APPROVAL,
                waits.c.closed_at.is_(None),
                IS_OPEN,
                ~mine.where(wait_people.c.has_answered),
                or_(waits.c.allow_self, starter != person.user_id),
                or_(
                    mine.where(wait_people.c.may_answer),
                    and_(executions.c.owner == person.owner, waits.c.role.in_(person.answers)),
                    *(_is_shared(role, person) for role in Role),
                ),
            )
        )
        query = newest_first(query, waits, limit=limit, cursor=cursor)
        found = await self._database.rows(query)
        return page(found, waiting, limit=limit)


def _is_shared(role: Role, person: Person) -> ColumnElement[bool]:
    """Whether the workflow is shared with the person in that role, which is enough."""
    return and_(
        waits.c.role.in_(included(role)),
        exists().where(
            shares.c.workflow_id == executions.c.workflow_id,
            shares.c.grantee.in_(person.grantees),
            shares.c.role == role.value,
        ),
    )


def _row(wait: Wait) -> dict[str, Any]:
    return {
        "id": wait.id,
        "execution_id": wait.execution_id,
        "node_id": wait.node_id,
        "path": wait.path,
        "kind": wait.kind,
        "temporal_id": wait.temporal_id,
        "seq": wait.seq,
        "role": None if wait.role is None else wait.role.value,
        "allow_self": wait.allow_self,
        "data": json_text.dumps(wait.data),
        "created_at": wait.created_at,
        "expires_at": wait.expires_at,
        "closed_at": wait.closed_at,
    }


def wait(row: Any, people: Collection[Any] = ()) -> Wait:
    return Wait(
        execution_id=row.execution_id,
        node_id=row.node_id,
        path=row.path,
        kind=row.kind,
        temporal_id=row.temporal_id,
        created_at=row.created_at,
        seq=row.seq,
        expires_at=row.expires_at,
        closed_at=row.closed_at,
        role=None if row.role is None else Role(row.role),
        users=tuple(one.user_id for one in people if one.may_answer),
        answered=tuple(one.user_id for one in people if one.has_answered),
        allow_self=row.allow_self,
        data=row.data,
    )


def waiting(row: Any) -> WaitingFor:
    return WaitingFor(wait(row), row.workflow_id, row.name)
