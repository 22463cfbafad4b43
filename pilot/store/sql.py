"""The store on SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import case, func, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from pilot.errors import ConflictError, NotFoundError, StaleVersionError
from pilot.events.model import Event
from pilot.graph.status import ExecutionStatus
from pilot.store import (
    Execution,
    NodeRun,
    Page,
    Workflow,
    WorkflowSummary,
    WorkflowVersion,
    json_text,
    rows,
)
from pilot.store.append import Batch, append
from pilot.store.database import Database
from pilot.store.paging import newest_first, page
from pilot.store.tables import IS_OPEN, executions, node_runs, workflow_versions, workflows
from pilot.store.tables import events as events_table

_MAX_INTEGER = 2**31 - 1
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_LISTED = [column for column in executions.c if column.name not in ("input", "output")]


class SqlStore:
    """`Store` on one database. Every method is one transaction of a constant number of
    statements. The tables must be there: `pilot.store.migrate.migrate`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(cls, url: str) -> SqlStore:
        """The store at `sqlite:///path` or `postgresql://user:password@host/name`.

        Connects to nothing yet: `ping` says whether the database answers. Raises
        `SettingsError` for a URL of another kind.
        """
        return cls(Database(url))

    @property
    def engine(self) -> AsyncEngine:
        """The SQLAlchemy engine, to be watched or measured."""
        return self._database.engine

    async def close(self) -> None:
        await self._database.close()

    async def ping(self) -> None:
        async with self._database.reading() as connection:
            await connection.execute(text("SELECT 1"))

    # workflows

    async def create_workflow(
        self, owner: str, *, name: str, description: str, graph: dict[str, Any]
    ) -> Workflow:
        now = datetime.now(UTC)
        workflow = Workflow(
            id=str(uuid4()),
            owner=owner,
            name=name,
            description=description,
            graph=graph,
            version=1,
            content_hash=json_text.content_hash(graph),
            created_at=now,
            updated_at=now,
        )
        graph_text = json_text.dumps(graph)
        async with self._database.writing() as connection:
            await connection.execute(insert(workflows), rows.workflow_row(workflow))
            await connection.execute(
                insert(workflow_versions), rows.version_row(workflow, graph_text)
            )
        return workflow

    async def get_workflow(self, owner: str, workflow_id: str) -> Workflow:
        query = (
            select(workflows, workflow_versions.c.graph)
            .join(
                workflow_versions,
                (workflow_versions.c.workflow_id == workflows.c.id)
                & (workflow_versions.c.version == workflows.c.version),
            )
            .where(_is_alive(owner, workflow_id))
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise _no_workflow(workflow_id)
        return rows.workflow(row)

    async def list_workflows(
        self, owner: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[WorkflowSummary]:
        query = select(workflows).where(
            workflows.c.owner == owner, workflows.c.deleted_at.is_(None)
        )
        query = newest_first(query, workflows, limit=limit, cursor=cursor)
        async with self._database.reading() as connection:
            found = (await connection.execute(query)).all()
        return page(found, rows.workflow_summary, limit=limit)

    async def update_workflow(
        self,
        owner: str,
        workflow_id: str,
        *,
        name: str,
        description: str,
        graph: dict[str, Any],
        expected_version: int | None,
    ) -> Workflow:
        content_hash, graph_text = json_text.content_hash(graph), json_text.dumps(graph)
        locked = select(workflows).where(_is_alive(owner, workflow_id)).with_for_update()
        async with self._database.writing() as connection:
            row = (await connection.execute(locked)).one_or_none()
            if row is None:
                raise _no_workflow(workflow_id)
            if expected_version is not None and expected_version != row.version:
                raise StaleVersionError(
                    f"workflow {workflow_id} is at version {row.version}, not {expected_version}: "
                    "somebody saved in between; read it again and repeat the change"
                )
            is_same = (name, description, content_hash) == (
                row.name,
                row.description,
                row.content_hash,
            )
            workflow = Workflow(
                id=row.id,
                owner=owner,
                name=name,
                description=description,
                graph=graph,
                version=row.version if is_same else row.version + 1,
                content_hash=content_hash,
                created_at=row.created_at,
                updated_at=row.updated_at if is_same else datetime.now(UTC),
            )
            if not is_same:
                await connection.execute(
                    insert(workflow_versions), rows.version_row(workflow, graph_text)
                )
                await connection.execute(
                    update(workflows).where(workflows.c.id == row.id), rows.workflow_row(workflow)
                )
        return workflow

    async def delete_workflow(self, owner: str, workflow_id: str) -> None:
        locked = select(workflows.c.id).where(_is_alive(owner, workflow_id)).with_for_update()
        is_open = select(executions.c.id).where(executions.c.workflow_id == workflow_id, IS_OPEN)
        async with self._database.writing() as connection:
            if (await connection.execute(locked)).one_or_none() is None:
                raise _no_workflow(workflow_id)
            if (await connection.execute(is_open.limit(1))).one_or_none() is not None:
                raise ConflictError(
                    f"workflow {workflow_id} has open executions: cancel them first",
                    code="open_executions",
                )
            await connection.execute(
                update(workflows).where(workflows.c.id == workflow_id),
                {"deleted_at": datetime.now(UTC)},
            )

    async def get_version(self, owner: str, workflow_id: str, version: int) -> WorkflowVersion:
        query = (
            select(workflow_versions)
            .join(workflows, workflows.c.id == workflow_versions.c.workflow_id)
            .where(
                workflow_versions.c.workflow_id == workflow_id,
                workflow_versions.c.version == min(version, _MAX_INTEGER),
                workflows.c.owner == owner,
            )
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise NotFoundError(f"there is no version {version} of workflow {workflow_id}")
        return rows.workflow_version(row)

    # executions

    async def create_execution(self, execution: Execution) -> tuple[Execution, bool]:
        new = rows.execution_row(execution)
        async with self._database.writing() as connection:
            if await _lock_version(connection, execution):
                statement = (
                    _INSERT[connection.dialect.name](executions)
                    .on_conflict_do_nothing(index_elements=[executions.c.id])
                    .returning(executions.c.id)
                )
                if (await connection.execute(statement, new)).one_or_none() is not None:
                    return execution, True
            query = select(executions).where(_is_owned(execution.owner, execution.id))
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise NotFoundError(
                f"there is no version {execution.workflow_version} of workflow "
                f"{execution.workflow_id}"
            )
        return rows.execution(row), False

    async def get_execution(self, owner: str, execution_id: str) -> Execution:
        query = select(executions).where(_is_owned(owner, execution_id))
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise _no_execution(execution_id)
        return rows.execution(row)

    async def list_executions(
        self,
        owner: str,
        *,
        workflow_id: str | None = None,
        status: ExecutionStatus | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Execution]:
        query = select(*_LISTED).where(executions.c.owner == owner)
        if workflow_id is not None:
            query = query.where(executions.c.workflow_id == workflow_id)
        if status is not None:
            query = query.where(executions.c.status == status.value)
        query = newest_first(query, executions, limit=limit, cursor=cursor)
        async with self._database.reading() as connection:
            found = (await connection.execute(query)).all()
        return page(found, rows.execution, limit=limit)

    async def node_runs(self, owner: str, execution_id: str) -> list[NodeRun]:
        query = (
            select(node_runs)
            .select_from(executions)
            .join(node_runs, node_runs.c.execution_id == executions.c.id, isouter=True)
            .where(_is_owned(owner, execution_id))
            .order_by(node_runs.c.first_seq, node_runs.c.node_id, node_runs.c.path)
        )
        async with self._database.reading() as connection:
            found = (await connection.execute(query)).all()
        if not found:
            raise _no_execution(execution_id)
        return [rows.node_run(row) for row in found if row.node_id is not None]

    async def set_temporal_run(self, execution_id: str, run_id: str) -> None:
        statement = update(executions).where(executions.c.id == execution_id)
        async with self._database.writing() as connection:
            result = await connection.execute(statement, {"temporal_run_id": run_id})
        if result.rowcount == 0:
            raise _no_execution(execution_id)

    # events

    async def append_events(self, execution_id: str, events: Sequence[Event]) -> None:
        """As the protocol says. Live-only events are left out. Raises `ValueError` for an
        event of another execution and for what JSON cannot hold (NaN)."""
        batch = Batch.of(execution_id, events)
        if batch.events:
            async with self._database.writing() as connection:
                await append(connection, batch)

    async def events(
        self, owner: str, execution_id: str, *, after_seq: int = 0, limit: int = 1000
    ) -> list[Event]:
        is_later = events_table.c.seq > max(0, min(after_seq, _MAX_INTEGER))
        query = (
            select(events_table, executions.c.workflow_id)
            .select_from(executions)
            .join(
                events_table,
                (events_table.c.execution_id == executions.c.id) & is_later,
                isouter=True,
            )
            .where(_is_owned(owner, execution_id))
            .order_by(events_table.c.seq)
            .limit(max(1, min(limit, _MAX_INTEGER)))
        )
        async with self._database.reading() as connection:
            found = (await connection.execute(query)).all()
        if not found:
            raise _no_execution(execution_id)
        return [rows.event(row) for row in found if row.seq is not None]

    async def missing_from(self, execution_id: str) -> int:
        """As the protocol says. Raises `NotFoundError` where there is no such execution."""
        seqs = events_table.c.seq
        numbered = (
            select(seqs, func.row_number().over(order_by=seqs).label("place"))
            .where(events_table.c.execution_id == execution_id)
            .subquery()
        )
        first_gap = func.min(case((numbered.c.seq != numbered.c.place, numbered.c.place)))
        lowest = select(func.coalesce(first_gap, func.count() + 1)).select_from(numbered)
        query = select(lowest.scalar_subquery()).where(executions.c.id == execution_id)
        async with self._database.reading() as connection:
            found = (await connection.execute(query.select_from(executions))).scalar_one_or_none()
        if found is None:
            raise _no_execution(execution_id)
        return int(found)


async def _lock_version(connection: AsyncConnection, execution: Execution) -> bool:
    """Whether the owner has the version, not deleted; nobody deletes it before the commit."""
    version = select(workflow_versions.c.version).where(
        workflow_versions.c.workflow_id == execution.workflow_id,
        workflow_versions.c.version == execution.workflow_version,
    )
    query = (
        select(workflows.c.id)
        .where(_is_alive(execution.owner, execution.workflow_id), version.exists())
        .with_for_update(read=True, of=workflows)
    )
    return (await connection.execute(query)).one_or_none() is not None


def _is_alive(owner: str, workflow_id: str) -> Any:
    columns = workflows.c
    return (columns.id == workflow_id) & (columns.owner == owner) & columns.deleted_at.is_(None)


def _is_owned(owner: str, execution_id: str) -> Any:
    return (executions.c.id == execution_id) & (executions.c.owner == owner)


def _no_workflow(workflow_id: str) -> NotFoundError:
    return NotFoundError(f"there is no workflow {workflow_id}")


def _no_execution(execution_id: str) -> NotFoundError:
    return NotFoundError(f"there is no execution {execution_id}")
