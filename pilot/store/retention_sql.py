"""`RetentionStore` on SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Select, delete, func, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from pilot.graph.status import ExecutionStatus
from pilot.store.database import Database
from pilot.store.retention import (
    EVENTS_ALONE,
    EVENTS_AT_ONCE,
    Doomed,
    execution_open,
    no_workflow,
)
from pilot.store.tables import (
    HAS_RETENTION,
    IS_DELETED,
    IS_ENDED,
    IS_OPEN,
    IS_PRUNED,
    KEEPS_EVENTS,
    budgets,
    events,
    executions,
    llm_answers,
    llm_calls,
    node_runs,
    publications,
    shares,
    triggers,
    usage,
    usage_days,
    workflow_versions,
    workflows,
)

PAGES_AT_ONCE = 2_000
"""Pages (of 4 KB) that SQLite gives back to the file system at once."""


_child = executions.alias()
_OPEN_IDS = select(_child.c.id).where(IS_OPEN)
_SOURCES = select(_child.c.source_id).where(IS_OPEN, _child.c.source_id.is_not(None))
"""What open executions go on from. Uncorrelated, so that it is read once."""
_KEEPS_ROW = executions.c.pruned_by.startswith(EVENTS_ALONE)


class SqlRetention:
    """`RetentionStore` on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(
        self,
        batch: str,
        before: Mapping[ExecutionStatus, datetime],
        *,
        workflow_id: str | None = None,
        limit: int,
    ) -> int:
        count = 0
        for status, moment in sorted(before.items()):
            if count >= limit:
                break
            count += await self._put_on_list(
                batch, _ended(status, moment, workflow_id).limit(limit - count)
            )
        return count

    async def claim_events(self, batch: str, before: datetime, *, limit: int) -> int:
        columns = executions.c
        found = (
            select(columns.id)
            .where(
                KEEPS_EVENTS,
                columns.finished_at < before,
                columns.pruned_by.is_(None),
                columns.id.not_in(_SOURCES),
            )
            .order_by(columns.finished_at)
            .limit(limit)
        )
        return await self._put_on_list(batch, found)

    async def _put_on_list(self, batch: str, found: Select[Any]) -> int:
        async with self._database.writing() as connection:
            locked = found.with_for_update(skip_locked=True)
            ids = list((await connection.execute(locked)).scalars())
            if ids:
                marking = update(executions).where(executions.c.id.in_(ids))
                await connection.execute(marking, {"pruned_by": batch})
        return len(ids)

    async def claimed(self, *, limit: int, events_alone: bool = False) -> list[Doomed]:
        columns = executions.c
        is_of_kind = _KEEPS_ROW if events_alone else ~_KEEPS_ROW
        lowest = select(func.min(columns.pruned_by)).where(IS_PRUNED, is_of_kind).scalar_subquery()
        query = (
            select(columns.pruned_by, columns.id, columns.owner, columns.finished_at)
            .where(IS_PRUNED, columns.pruned_by == lowest)
            .order_by(columns.id)
            .limit(limit)
        )
        return [Doomed(*row) for row in await self._database.rows(query)]

    async def release(self, execution_ids: Sequence[str]) -> None:
        if not execution_ids:
            return
        freeing = update(executions).where(executions.c.id.in_(execution_ids))
        async with self._database.writing() as connection:
            await connection.execute(freeing, {"pruned_by": None})

    async def delete_execution(self, owner: str, execution_id: str) -> bool:
        row = select(executions.c.status, executions.c.last_seq).where(
            executions.c.id == execution_id, executions.c.owner == owner
        )
        found = await self._database.row(row)
        if found is None:
            return False
        if not ExecutionStatus(found.status).is_final:
            raise execution_open(execution_id)
        await self._delete_events(execution_id, found.last_seq)
        async with self._database.writing() as connection:
            # the lock: a batch of events that comes late must not come in between
            found = (await connection.execute(row.with_for_update())).one_or_none()
            if found is None:
                return False
            for table in (events, node_runs, usage, llm_calls):
                await connection.execute(delete(table).where(table.c.execution_id == execution_id))
            await connection.execute(delete(executions).where(executions.c.id == execution_id))
        return True

    async def _delete_events(self, execution_id: str, last_seq: int) -> None:
        of_it = events.c.execution_id == execution_id
        for upto in range(EVENTS_AT_ONCE, last_seq + 1, EVENTS_AT_ONCE):
            async with self._database.writing() as connection:
                await connection.execute(delete(events).where(of_it, events.c.seq <= upto))

    async def prune_events(self, execution_id: str) -> bool:
        columns = executions.c
        is_listed = (columns.id == execution_id) & _KEEPS_ROW
        async with self._database.reading() as connection:
            found = await connection.execute(select(columns.last_seq).where(is_listed))
            last_seq = found.scalar_one_or_none()
        if last_seq is None:
            return False
        await self._delete_events(execution_id, last_seq)
        async with self._database.writing() as connection:
            await connection.execute(delete(events).where(events.c.execution_id == execution_id))
            marking = update(executions).where(is_listed)
            done = {"events_pruned_at": datetime.now(UTC), "pruned_by": None}
            return (await connection.execute(marking, done)).rowcount > 0

    async def purge_workflows(self, *, limit: int) -> int:
        is_used = select(executions.c.id).where(executions.c.workflow_id == workflows.c.id).exists()
        query = select(workflows.c.id).where(IS_DELETED, ~is_used).limit(limit)
        async with self._database.writing() as connection:
            ids = list((await connection.execute(query)).scalars())
            if ids:
                await delete_workflows(connection, ids)
        return len(ids)

    async def expire(self, usage_before: date | None, *, limit: int) -> int:
        now = datetime.now(UTC)
        doomed = [
            (llm_calls, llm_calls.c.expires_at < now),
            (llm_answers, llm_answers.c.expires_at < now),
        ]
        if usage_before is not None:
            doomed += [
                (usage, usage.c.day < usage_before),
                (usage_days, usage_days.c.day < usage_before),
            ]
        count = 0
        for table, is_old in doomed:
            async with self._database.writing() as connection:
                key = tuple_(*table.primary_key)
                some = select(*table.primary_key).where(is_old).limit(limit)
                count += (await connection.execute(delete(table).where(key.in_(some)))).rowcount
        return count

    async def reclaim(self) -> int:
        if not self._database.is_sqlite:
            return 0
        async with self._database.writing() as connection:
            before = await _free_pages(connection)
            # a page a step, and of all ways to run it only a script's goes through all steps; it
            # ends the transaction, of which nothing is left to do
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            await driver.executescript(f"PRAGMA incremental_vacuum({PAGES_AT_ONCE})")
            return before - await _free_pages(connection)

    async def overrides(self, *, after: str = "", limit: int) -> list[tuple[str, float]]:
        query = (
            select(workflows.c.id, workflows.c.retention_days)
            .where(HAS_RETENTION, workflows.c.id > after)
            .order_by(workflows.c.id)
            .limit(limit)
        )
        return [(row.id, row.retention_days) for row in await self._database.rows(query)]

    async def days(self, owner: str, workflow_id: str) -> float | None:
        query = select(workflows.c.retention_days).where(*_alive(owner, workflow_id))
        row = await self._database.row(query)
        if row is None:
            raise no_workflow(workflow_id)
        days: float | None = row.retention_days
        return days

    async def set_days(self, owner: str, workflow_id: str, days: float | None) -> None:
        setting = update(workflows).where(*_alive(owner, workflow_id))
        async with self._database.writing() as connection:
            result = await connection.execute(setting, {"retention_days": days})
        if result.rowcount == 0:
            raise no_workflow(workflow_id)


async def delete_workflows(connection: AsyncConnection, ids: Sequence[str]) -> None:
    """Deletes workflows that have no execution, with all that belongs to them."""
    for table in (triggers, shares, budgets, publications, workflow_versions):
        await connection.execute(delete(table).where(table.c.workflow_id.in_(ids)))
    await connection.execute(delete(workflows).where(workflows.c.id.in_(ids)))


def _ended(status: ExecutionStatus, before: datetime, workflow_id: str | None) -> Select[Any]:
    """Ids, the longest ended first. Of one workflow an index on its executions by `created_at`
    serves: what ended before then was created before."""
    columns = executions.c
    query = select(columns.id).where(
        IS_ENDED,
        columns.status == status.value,
        columns.finished_at < before,
        columns.pruned_by.is_(None),
        columns.id.not_in(_SOURCES),
        # children stay for as long as the run that all of them belong to
        func.coalesce(columns.root_execution_id, columns.id).not_in(_OPEN_IDS),
    )
    if workflow_id is None:
        return query.order_by(columns.finished_at)
    return query.where(columns.workflow_id == workflow_id, columns.created_at < before).order_by(
        columns.created_at
    )


def _alive(owner: str, workflow_id: str) -> tuple[Any, ...]:
    columns = workflows.c
    return columns.id == workflow_id, columns.owner == owner, columns.deleted_at.is_(None)


async def _free_pages(connection: AsyncConnection) -> int:
    return int((await connection.execute(text("PRAGMA freelist_count"))).scalar_one())
