"""The store on SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, text, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from pilot.errors import ConflictError, NotFoundError, PayloadStoreError, StaleVersionError
from pilot.events.edition import UNKNOWN
from pilot.events.model import Event
from pilot.graph.status import ExecutionStatus
from pilot.payloads.values import NO_VALUES, Values
from pilot.store import (
    DayCount,
    Execution,
    NodeRun,
    OpenCount,
    Page,
    Progress,
    Told,
    Workflow,
    WorkflowSummary,
    WorkflowVersion,
    admission,
    json_text,
    queries,
    rows,
)
from pilot.store.admission import Admission
from pilot.store.api_keys import ApiKeyStore, SqlApiKeys
from pilot.store.append import Batch, append, forget
from pilot.store.database import Database
from pilot.store.forgetting import ForgettingStore, SqlForgetting
from pilot.store.iterations import IterationStore, SqlIterations
from pilot.store.llm_calls import LlmCallStore, SqlLlmCalls
from pilot.store.one_statement import new_execution, saved_version
from pilot.store.paging import newest_first, page, page_size
from pilot.store.places import PlaceStore, SqlPlaces
from pilot.store.publications import PublicationStore, SqlPublications
from pilot.store.retention import RetentionStore
from pilot.store.retention_sql import SqlRetention
from pilot.store.rounds import append_round
from pilot.store.secrets import SecretStore, SqlSecrets
from pilot.store.shares import ShareStore, SqlShares
from pilot.store.slots import SlotStore, SqlSlots, is_to_wait, lock_slots
from pilot.store.tables import executions, workflow_versions, workflows
from pilot.store.triggers import SqlTriggers, TriggerStore
from pilot.store.usage import UsageStore
from pilot.store.usage_sql import SqlUsage
from pilot.store.versions import Versions
from pilot.store.waits import SqlWaits, WaitStore

_NEW_EXECUTION = (
    sqlite.insert(executions)
    .on_conflict_do_nothing(index_elements=[executions.c.id])
    .returning(executions.c.id)
)


class SqlStore:
    """`Store` on one database. Every method is one transaction of a constant number of
    statements. The tables must be there: `pilot.store.migrate.migrate`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._versions = Versions()
        self.values: Values = NO_VALUES
        self.secrets: SecretStore = SqlSecrets(database)
        self.shares: ShareStore = SqlShares(database)
        self.publications: PublicationStore = SqlPublications(database)
        self.slots: SlotStore = SqlSlots(database)
        self.triggers: TriggerStore = SqlTriggers(database)
        self.waits: WaitStore = SqlWaits(database)
        self.api_keys: ApiKeyStore = SqlApiKeys(database)
        self.usage: UsageStore = SqlUsage(database)
        self.llm_calls: LlmCallStore = SqlLlmCalls(database)
        self.places: PlaceStore = SqlPlaces(database)
        self.iterations: IterationStore = SqlIterations(database)
        self.retention: RetentionStore = SqlRetention(database)
        self.forgetting: ForgettingStore = SqlForgetting(database)

    @classmethod
    async def open(cls, url: str, pool_size: int | None = None) -> SqlStore:
        """The store at `sqlite:///path` or `postgresql://user:password@host/name`.

        Connects to nothing yet: `ping` says whether the database answers. Raises
        `SettingsError` for a URL of another kind.
        """
        return cls(Database(url, pool_size))

    @property
    def engine(self) -> AsyncEngine:
        """The SQLAlchemy engine, to be watched or measured."""
        return self._database.engine

    async def close(self) -> None:
        await self._database.close()

    async def ping(self) -> None:
        async with self._database.reading() as connection:
            await connection.execute(text("SELECT 1"))
        self._database.require_room()

    # workflows

    async def create_workflow(
        self,
        owner: str,
        *,
        name: str,
        description: str,
        graph: dict[str, Any],
        by: str | None = None,
    ) -> Workflow:
        workflow = rows.new_workflow(owner, name, description, graph)
        graph_text = json_text.dumps(graph)
        async with self._database.writing() as connection:
            await connection.execute(insert(workflows), rows.workflow_row(workflow))
            await connection.execute(
                insert(workflow_versions), rows.version_row(workflow, graph_text, by)
            )
        return workflow

    async def get_workflow(self, owner: str, workflow_id: str) -> Workflow:
        row = await self._database.row(*queries.workflow_at_newest(owner, workflow_id))
        if row is None:
            raise _no_workflow(workflow_id)
        return rows.workflow(row)

    async def admit(self, workflow_id: str, grantees: Sequence[str]) -> Admission | None:
        return admission.read(await self._database.rows(*admission.asked(workflow_id, grantees)))

    async def list_workflows(
        self, owner: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[WorkflowSummary]:
        if cursor is None:
            asked = queries.first_workflows_of(owner, page_size(limit) + 1)
        else:
            whole = queries.workflows_of(owner)
            asked = newest_first(whole, workflows, limit=limit, cursor=cursor), {}
        found = await self._database.rows(*asked)
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
        by: str | None = None,
    ) -> Workflow:
        now, graph_text = datetime.now(UTC), json_text.dumps(graph)
        new = {
            "name": name,
            "description": description,
            "content_hash": json_text.content_hash(graph),
        }

        def after(row: Any) -> Workflow:
            if row is None:
                raise _no_workflow(workflow_id)
            if expected_version is not None and expected_version != row.version:
                raise StaleVersionError(
                    f"workflow {workflow_id} is at version {row.version}, not {expected_version}: "
                    "somebody saved in between; read it again and repeat the change"
                )
            is_same = (row.name, row.description, row.content_hash) == tuple(new.values())
            return Workflow(
                id=row.id,
                owner=owner,
                graph=graph,
                version=row.version if is_same else row.version + 1,
                created_at=row.created_at,
                updated_at=row.updated_at if is_same else now,
                published_version=row.published_version,
                publication=row.publication,
                **new,
            )

        def saved(connection: Connection) -> Workflow:
            row: Any = connection.execute(*queries.locked_workflow(owner, workflow_id)).first()
            workflow = after(row)
            if workflow.version != row.version:
                connection.execute(
                    insert(workflow_versions), rows.version_row(workflow, graph_text, by)
                )
                connection.execute(
                    update(workflows).where(workflows.c.id == row.id), rows.workflow_row(workflow)
                )
            return workflow

        if self._database.is_sqlite:
            return await self._database.transaction(saved)
        expected = None if expected_version is None else queries.storable(expected_version)
        given: dict[str, Any] = {
            "of_owner": owner,
            "of_workflow": workflow_id,
            "expected": expected,
        }
        given |= {**new, "updated_at": now, "graph": graph_text, "created_by": by}
        found = await self._database.changed(saved_version(), given)
        return after(found[0] if found else None)

    async def delete_workflow(self, owner: str, workflow_id: str) -> None:
        locked = queries.locked_workflow(owner, workflow_id)
        is_open = queries.open_execution_of(workflow_id)
        has_trigger = queries.trigger_of(workflow_id)
        async with self._database.writing() as connection:
            if (await connection.execute(*locked)).one_or_none() is None:
                raise _no_workflow(workflow_id)
            if (await connection.execute(is_open)).one_or_none() is not None:
                raise ConflictError(
                    f"workflow {workflow_id} has open executions: cancel them first",
                    code="open_executions",
                )
            if (await connection.execute(has_trigger)).one_or_none() is not None:
                raise ConflictError(
                    f"workflow {workflow_id} has schedules or webhooks: delete them first",
                    code="has_triggers",
                )
            await connection.execute(
                update(workflows).where(workflows.c.id == workflow_id),
                {"deleted_at": datetime.now(UTC)},
            )

    async def get_version(self, owner: str, workflow_id: str, version: int) -> WorkflowVersion:
        key = (owner, workflow_id, version)
        known = self._versions.get(key)
        if known is not None:
            return known
        query = queries.version_of(owner, workflow_id, queries.storable(version))
        row = await self._database.row(*query)
        if row is None:
            raise NotFoundError(f"there is no version {version} of workflow {workflow_id}")
        found = rows.workflow_version(row)
        self._versions.put(key, found)
        return found

    # executions

    async def create_execution(
        self, execution: Execution, *, most: int | None = None
    ) -> tuple[Execution, bool]:
        if execution.held_at is not None:
            most = None  # it waits already
        write = self._written_in_turn if self._database.is_sqlite else self._written
        new = await write(execution, rows.execution_row(execution), most)
        if new is not None:
            return new, True
        row = await self._database.row(*queries.execution_of(execution.owner, execution.id))
        if row is None:
            raise NotFoundError(
                f"there is no version {execution.workflow_version} of workflow "
                f"{execution.workflow_id}"
            )
        return rows.execution(row), False

    async def _written(
        self, execution: Execution, new: dict[str, Any], most: int | None
    ) -> Execution | None:
        """The execution, held or not; None where it was there, or its version is not."""
        owner, is_limited = execution.owner, most is not None
        statement = new_execution(tuple(new), is_limited=is_limited)
        version = queries.storable(execution.workflow_version)
        of = {"of_owner": owner, "of_workflow": execution.workflow_id, "of_version": version}
        given = {**new, "workflow_version": version, **of}

        def in_turn(connection: Connection) -> Sequence[Any]:
            lock_slots(connection, owner)
            return connection.execute(statement, given).all()

        if most is None:
            found = await self._database.changed(statement, given)
        else:
            given |= {"now": datetime.now(UTC), "others": most - 1}
            found = await self._database.transaction(in_turn)
        return replace(execution, held_at=found[0].held_at) if found else None

    async def _written_in_turn(
        self, execution: Execution, new: dict[str, Any], most: int | None
    ) -> Execution | None:
        """The same on SQLite, which writes one after the other."""
        version = queries.storable(execution.workflow_version)
        held = queries.held_version(execution.owner, execution.workflow_id, version)

        def written(connection: Connection) -> Execution | None:
            one = execution
            if most is not None and is_to_wait(connection, one.owner, most):
                one = replace(one, held_at=datetime.now(UTC))
            if connection.execute(*held).one_or_none() is None:
                return None
            row = {**new, "held_at": one.held_at}
            is_new = connection.execute(_NEW_EXECUTION, row).one_or_none() is not None
            return one if is_new else None

        return await self._database.transaction(written)

    async def get_execution(self, owner: str, execution_id: str) -> Execution:
        row = await self._database.row(*queries.execution_of(owner, execution_id))
        if row is None:
            raise _no_execution(execution_id)
        return rows.execution(row)

    async def list_executions(
        self,
        owner: str,
        *,
        workflow_id: str | None = None,
        status: ExecutionStatus | None = None,
        parent: str | None = None,
        first: datetime | None = None,
        last: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Execution]:
        query = queries.executions_of(owner, workflow_id, status, parent)
        query = queries.between(query, first, last)
        query = newest_first(query, executions, limit=limit, cursor=cursor)
        found = await self._database.rows(query)
        return page(found, rows.execution, limit=limit)

    async def executions_by_day(
        self, owner: str, *, first: datetime, last: datetime, workflow_id: str | None = None
    ) -> list[DayCount]:
        query = queries.executions_by_day(owner, workflow_id, first, last)
        found = await self._database.rows(query)
        return [DayCount(day, ExecutionStatus(status), count) for day, status, count in found]

    async def open_executions(
        self, *, before: datetime, limit: int = 100, cursor: str | None = None
    ) -> Page[Execution]:
        query = newest_first(
            queries.open_executions(before), executions, limit=limit, cursor=cursor
        )
        found = await self._database.rows(query)
        return page(found, rows.execution, limit=limit)

    async def triggered(
        self, owner: str, triggered_by: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[Execution]:
        query = newest_first(
            queries.triggered_executions(owner, triggered_by),
            executions,
            limit=limit,
            cursor=cursor,
        )
        found = await self._database.rows(query)
        return page(found, rows.execution, limit=limit)

    async def open_counts(self) -> dict[ExecutionStatus, OpenCount]:
        found = await self._database.rows(queries.open_counts())
        return {
            ExecutionStatus(status): OpenCount(count, oldest) for status, count, oldest in found
        }

    async def progress(self, execution_ids: Sequence[str]) -> list[Progress]:
        found = await self._database.rows(queries.progress_of(execution_ids))
        return [Progress(*row) for row in found]

    async def begun(
        self, owners: Sequence[str], *, since: datetime, limit: int = 1000
    ) -> list[Progress]:
        found = await self._database.rows(queries.begun_since(owners, since, limit))
        return [Progress(*row) for row in found]

    async def node_runs(self, owner: str, execution_id: str) -> list[NodeRun]:
        query = queries.node_runs_of(owner, execution_id)
        found = await self._database.rows(query)
        if not found:
            raise _no_execution(execution_id)
        return [rows.node_run(row) for row in found if row.node_id is not None]

    async def set_temporal_run(self, execution_id: str, run_id: str) -> None:
        if not await self._database.change(*queries.temporal_run(execution_id, run_id)):
            raise _no_execution(execution_id)

    async def request_cancel(self, execution_id: str, at: datetime) -> None:
        async with self._database.writing() as connection:
            await connection.execute(queries.cancel_request(execution_id, at))

    async def overdue_cancels(self, *, before: datetime, limit: int) -> list[Execution]:
        found = await self._database.rows(queries.overdue_cancels(before, limit))
        return [rows.execution(row) for row in found]

    # events

    async def append_events(
        self, execution_id: str, events: Sequence[Event], *, edition: str = UNKNOWN
    ) -> None:
        """As the protocol says. Live-only events are left out. Raises `ValueError` for an
        event of another execution and for what JSON cannot hold (NaN)."""
        batch = Batch.of(execution_id, await self.values.aside(execution_id, events))
        if batch.events:
            async with self._database.writing() as connection:
                await append(connection, batch, edition)

    async def append_round(self, told: Sequence[Told]) -> set[str]:
        """As the protocol says, of a constant number of statements."""
        batches: dict[str, tuple[Batch, Told]] = {}
        for one in told:
            id = one.execution_id
            with suppress(ValueError, PayloadStoreError):  # for `append_events` to raise
                batch = Batch.of(id, await self.values.aside(id, one.events))
                if batch.events:
                    batches[id] = (batch, one)
        if not batches:
            return set()
        return await self._database.transaction(lambda one: append_round(one, batches))

    async def replace_events(
        self, execution_id: str, events: Sequence[Event], *, edition: str = UNKNOWN
    ) -> None:
        """As the protocol says. Raises as `append_events` does."""
        batch = Batch.of(execution_id, await self.values.aside(execution_id, events))
        async with self._database.writing() as connection:
            await forget(connection, execution_id)
            await append(connection, batch, edition)

    async def events(
        self, owner: str, execution_id: str, *, after_seq: int = 0, limit: int = 1000
    ) -> list[Event]:
        query = queries.events_of(owner, execution_id, after_seq, limit)
        found = await self._database.rows(query)
        if not found:
            raise _no_execution(execution_id)
        return [rows.event(row) for row in found if row.seq is not None]

    async def missing_from(self, execution_id: str) -> int:
        """As the protocol says. Raises `NotFoundError` where there is no such execution."""
        row = await self._database.row(*queries.lowest_missing_seq(execution_id))
        if row is None:
            raise _no_execution(execution_id)
        return int(row[0])


def _no_workflow(workflow_id: str) -> NotFoundError:
    return NotFoundError(f"there is no workflow {workflow_id}")


def _no_execution(execution_id: str) -> NotFoundError:
    return NotFoundError(f"there is no execution {execution_id}")
