"""Schedules and webhooks. Of a webhook's token there is only its hash, of its secret the name.

A row is what a trigger is; of a schedule Temporal is given a copy. `revision` grows with each
change, `applied` is the one that Temporal was last given: where they differ it has to be told.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol

from sqlalchemy import Row, delete, func, insert, select, update

from pilot.errors import ConflictError, NotFoundError, StaleVersionError
from pilot.store import Page, json_text
from pilot.store.database import Database, lock_owner
from pilot.store.paging import newest_first, page
from pilot.store.tables import IS_UNAPPLIED, triggers, workflows

MAX_TRIGGERS = 200
"""How many an owner may have."""

_OWNER_LOCK = 7_032_121
"""The class of PostgreSQL's advisory locks on one owner's triggers."""


class TriggerKind(StrEnum):
    SCHEDULE = "schedule"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class Trigger:
    """`definition` is `ScheduleConfig` or `WebhookConfig` (`pilot.triggers.configuration`) as JSON.

    `input` is what a schedule's runs are given, `timeout_s` their time limit, in seconds.
    `failure` is `{code, message, at}` of the last time that no run could be begun; None since one
    was. `token_hash` is the SHA-256 of a webhook's token, in hexadecimal, `hint` its last
    characters.
    """

    id: str
    owner: str
    workflow_id: str
    kind: TriggerKind
    created_by: str
    name: str
    definition: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    input: Any = None
    timeout_s: float | None = None
    paused: bool = False
    note: str = ""
    revision: int = 1
    applied: int = 0
    failure: dict[str, Any] | None = field(default=None)
    token_hash: str | None = None
    hint: str | None = None

    @property
    def key(self) -> str:
        """What its executions say that they were triggered by."""
        return f"{self.kind}:{self.id}"


class TriggerStore(Protocol):
    """Every implementation passes `tests/store/test_triggers.py`."""

    async def create(self, trigger: Trigger) -> None:
        """Raises `NotFoundError` where the owner has no such workflow, and `ConflictError`
        (`too_many_triggers`)."""
        ...

    async def get(self, trigger_id: str) -> Trigger | None:
        """Whoever owns it."""
        ...

    async def find(self, token_hash: str) -> Trigger | None:
        """The webhook of a token."""
        ...

    async def listing(
        self,
        owner: str,
        *,
        workflow_id: str | None = None,
        kind: TriggerKind | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Trigger]:
        """Newest first."""
        ...

    async def update(self, trigger: Trigger, *, expected: int | None = None) -> Trigger:
        """Replaces all that an owner may change, as the next revision; where nothing differs it
        stays as it is. Raises `NotFoundError`, and `StaleVersionError` where `expected` is not
        its revision."""
        ...

    async def delete(self, trigger_id: str) -> None:
        """Once is enough."""
        ...

    async def failed(self, trigger_id: str, failure: dict[str, Any] | None) -> None:
        """Notes why the last run could not be begun; None: it could."""
        ...

    async def was_applied(self, trigger_id: str, revision: int) -> None:
        """Temporal was given that revision."""
        ...

    async def unapplied(self, *, limit: int = 100) -> list[Trigger]:
        """Schedules of all owners that Temporal was not given as they are."""
        ...

    async def schedules(self, *, after: str = "", limit: int = 1000) -> list[Trigger]:
        """Schedules of all owners, by id, from behind that one."""
        ...


class SqlTriggers:
    """`TriggerStore` on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, trigger: Trigger) -> None:
        count = select(func.count()).where(triggers.c.owner == trigger.owner)
        workflow = (
            select(workflows.c.id)
            .where(
                workflows.c.id == trigger.workflow_id,
                workflows.c.owner == trigger.owner,
                workflows.c.deleted_at.is_(None),
            )
            .with_for_update(read=True)
        )
        async with self._database.writing() as connection:
            await connection.run_sync(lock_owner, _OWNER_LOCK, trigger.owner)
            if (await connection.execute(workflow)).one_or_none() is None:
                raise NotFoundError(f"there is no workflow {trigger.workflow_id}")
            if ((await connection.execute(count)).scalar() or 0) >= MAX_TRIGGERS:
                raise ConflictError(
                    f"there are {MAX_TRIGGERS} triggers already: delete one first",
                    code="too_many_triggers",
                )
            await connection.execute(insert(triggers), trigger_row(trigger))

    async def get(self, trigger_id: str) -> Trigger | None:
        return await self._one(triggers.c.id == trigger_id)

    async def find(self, token_hash: str) -> Trigger | None:
        return await self._one(triggers.c.token_hash == token_hash)

    async def _one(self, condition: Any) -> Trigger | None:
        row = await self._database.row(select(triggers).where(condition))
        return None if row is None else read_trigger(row)

    async def listing(
        self,
        owner: str,
        *,
        workflow_id: str | None = None,
        kind: TriggerKind | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Trigger]:
        query = select(triggers).where(triggers.c.owner == owner)
        if workflow_id is not None:
            query = query.where(triggers.c.workflow_id == workflow_id)
        if kind is not None:
            query = query.where(triggers.c.kind == kind.value)
        query = newest_first(query, triggers, limit=limit, cursor=cursor)
        found = await self._database.rows(query)
        return page(found, read_trigger, limit=limit)

    async def update(self, trigger: Trigger, *, expected: int | None = None) -> Trigger:
        query = select(triggers).where(triggers.c.id == trigger.id).with_for_update()
        async with self._database.writing() as connection:
            row = (await connection.execute(query)).one_or_none()
            if row is None:
                raise NotFoundError(f"there is no trigger {trigger.id}")
            before = read_trigger(row)
            if expected not in (None, before.revision):
                raise stale(before, expected)
            after = changed(before, trigger)
            if after != before:
                await connection.execute(
                    update(triggers).where(triggers.c.id == trigger.id), trigger_row(after)
                )
        return after

    async def delete(self, trigger_id: str) -> None:
        async with self._database.writing() as connection:
            await connection.execute(delete(triggers).where(triggers.c.id == trigger_id))

    async def failed(self, trigger_id: str, failure: dict[str, Any] | None) -> None:
        text = None if failure is None else json_text.dumps(failure)
        await self._set(trigger_id, {"failure": text})

    async def was_applied(self, trigger_id: str, revision: int) -> None:
        await self._set(trigger_id, {"applied": revision})

    async def _set(self, trigger_id: str, values: dict[str, Any]) -> None:
        statement = update(triggers).where(triggers.c.id == trigger_id)
        async with self._database.writing() as connection:
            await connection.execute(statement, values)

    async def unapplied(self, *, limit: int = 100) -> list[Trigger]:
        return await self._all(select(triggers).where(IS_UNAPPLIED).limit(limit))

    async def schedules(self, *, after: str = "", limit: int = 1000) -> list[Trigger]:
        query = select(triggers).where(triggers.c.kind == TriggerKind.SCHEDULE.value)
        query = query.where(triggers.c.id > after).order_by(triggers.c.id).limit(limit)
        return await self._all(query)

    async def _all(self, query: Any) -> list[Trigger]:
        return [read_trigger(row) for row in await self._database.rows(query)]


def stale(found: Trigger, expected: int | None) -> StaleVersionError:
    return StaleVersionError(
        f"trigger {found.id} is at revision {found.revision}, not {expected}: somebody changed it "
        "in between; read it again and repeat the change"
    )


def changed(before: Trigger, wanted: Trigger) -> Trigger:
    """What an owner may change, taken from `wanted`; a revision more where any of it differs."""
    after = replace(
        before,
        name=wanted.name,
        definition=wanted.definition,
        input=wanted.input,
        timeout_s=wanted.timeout_s,
        paused=wanted.paused,
        note=wanted.note,
        token_hash=wanted.token_hash,
        hint=wanted.hint,
    )
    if after == before:
        return before
    return replace(after, revision=before.revision + 1, updated_at=datetime.now(UTC))


def trigger_row(trigger: Trigger) -> dict[str, Any]:
    return {
        "id": trigger.id,
        "owner": trigger.owner,
        "workflow_id": trigger.workflow_id,
        "kind": trigger.kind.value,
        "created_by": trigger.created_by,
        "name": trigger.name,
        "created_at": trigger.created_at,
        "updated_at": trigger.updated_at,
        "timeout_s": trigger.timeout_s,
        "paused": trigger.paused,
        "note": trigger.note,
        "revision": trigger.revision,
        "applied": trigger.applied,
        "token_hash": trigger.token_hash,
        "hint": trigger.hint,
        "failure": None if trigger.failure is None else json_text.dumps(trigger.failure),
        "definition": json_text.dumps(trigger.definition),
        "input": None if trigger.input is None else json_text.dumps(trigger.input),
    }


def read_trigger(row: Row[Any]) -> Trigger:
    """The trigger of a row of the table."""
    return Trigger(
        id=row.id,
        owner=row.owner,
        workflow_id=row.workflow_id,
        kind=TriggerKind(row.kind),
        created_by=row.created_by,
        name=row.name,
        definition=row.definition,
        created_at=row.created_at,
        updated_at=row.updated_at,
        input=row.input,
        timeout_s=row.timeout_s,
        paused=row.paused,
        note=row.note,
        revision=row.revision,
        applied=row.applied,
        failure=row.failure,
        token_hash=row.token_hash,
        hint=row.hint,
    )
