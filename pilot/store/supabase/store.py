"""`Store` on Supabase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from pilot.errors import NotFoundError
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
    json_text,
    rows,
)
from pilot.store.admission import Admission
from pilot.store.api_keys import ApiKeyStore
from pilot.store.append import Batch
from pilot.store.forgetting import ForgettingStore
from pilot.store.iterations import IterationStore
from pilot.store.llm_calls import LlmCallStore
from pilot.store.paging import page
from pilot.store.places import PlaceStore
from pilot.store.publications import PublicationStore
from pilot.store.queries import storable
from pilot.store.retention import RetentionStore
from pilot.store.secrets import SecretStore
from pilot.store.shares import ShareStore
from pilot.store.slots import SlotStore
from pilot.store.supabase.api_keys import SupabaseApiKeys
from pilot.store.supabase.batches import batch_params, made_again
from pilot.store.supabase.connection import Connection
from pilot.store.supabase.forgetting import SupabaseForgetting
from pilot.store.supabase.iterations import SupabaseIterations
from pilot.store.supabase.llm_calls import SupabaseLlmCalls
from pilot.store.supabase.places import SupabasePlaces
from pilot.store.supabase.publications import SupabasePublications
from pilot.store.supabase.records import moment, record, window
from pilot.store.supabase.retention import SupabaseRetention
from pilot.store.supabase.secrets import SupabaseSecrets
from pilot.store.supabase.shares import SupabaseShares
from pilot.store.supabase.slots import SupabaseSlots
from pilot.store.supabase.triggers import SupabaseTriggers
from pilot.store.supabase.usage import SupabaseUsage
from pilot.store.supabase.waits import SupabaseWaits
from pilot.store.triggers import TriggerStore
from pilot.store.usage import UsageStore
from pilot.store.values import owner_id, plain, utc
from pilot.store.waits import WaitStore


class SupabaseStore:
    """`Store` on one Supabase project, whose database has `supabase/migrations`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.values: Values = NO_VALUES
        self.secrets: SecretStore = SupabaseSecrets(connection)
        self.shares: ShareStore = SupabaseShares(connection)
        self.publications: PublicationStore = SupabasePublications(connection)
        self.slots: SlotStore = SupabaseSlots(connection)
        self.triggers: TriggerStore = SupabaseTriggers(connection)
        self.waits: WaitStore = SupabaseWaits(connection)
        self.api_keys: ApiKeyStore = SupabaseApiKeys(connection)
        self.usage: UsageStore = SupabaseUsage(connection)
        self.llm_calls: LlmCallStore = SupabaseLlmCalls(connection)
        self.places: PlaceStore = SupabasePlaces(connection)
        self.iterations: IterationStore = SupabaseIterations(connection)
        self.retention: RetentionStore = SupabaseRetention(connection)
        self.forgetting: ForgettingStore = SupabaseForgetting(connection)

    async def close(self) -> None:
        await self._connection.close()

    async def ping(self) -> None:
        await self._connection.read_all("ping")
        self._connection.require_room()

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
        workflow = rows.new_workflow(owner_id(owner), name, description, graph)
        await self._connection.write(
            "create_workflow",
            id=workflow.id,
            owner=workflow.owner,
            name=plain(name),
            description=plain(description),
            graph=json_text.dumps(graph),
            content_hash=workflow.content_hash,
            at=workflow.created_at,
            by=None if by is None else owner_id(by),
        )
        return workflow

    async def get_workflow(self, owner: str, workflow_id: str) -> Workflow:
        found = await self._connection.read(
            "get_workflow", owner=owner_id(owner), id=plain(workflow_id)
        )
        if found is None:
            raise NotFoundError(f"there is no workflow {workflow_id}")
        return rows.workflow(record(found))

    async def admit(self, workflow_id: str, grantees: Sequence[str]) -> Admission | None:
        grant = await self.shares.grant(workflow_id, grantees)
        if grant is None:
            return None
        try:
            workflow = await self.get_workflow(grant.owner, workflow_id)
        except NotFoundError:  # deleted a moment ago
            return None
        return Admission(grant, workflow, await self.secrets.names(grant.owner))

    async def list_workflows(
        self, owner: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[WorkflowSummary]:
        found = await self._connection.read(
            "list_workflows", owner=owner_id(owner), **window(limit, cursor)
        )
        return page([record(row) for row in found], rows.workflow_summary, limit=limit)

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
        content_hash = json_text.content_hash(graph)
        found = await self._connection.write(
            "update_workflow",
            owner=owner_id(owner),
            id=plain(workflow_id),
            name=plain(name),
            description=plain(description),
            graph=json_text.dumps(graph),
            content_hash=content_hash,
            expected=None if expected_version is None else storable(expected_version),
            by=None if by is None else owner_id(by),
        )
        return Workflow(
            id=workflow_id,
            owner=owner,
            name=name,
            description=description,
            graph=graph,
            version=found["version"],
            content_hash=content_hash,
            created_at=moment(found["created_at"]),
            updated_at=moment(found["updated_at"]),
            published_version=found["published_version"],
            publication=found["publication"],
        )

    async def delete_workflow(self, owner: str, workflow_id: str) -> None:
        await self._connection.write(
            "delete_workflow", owner=owner_id(owner), id=plain(workflow_id)
        )

    async def get_version(self, owner: str, workflow_id: str, version: int) -> WorkflowVersion:
        found = await self._connection.read(
            "get_version",
            owner=owner_id(owner),
            id=plain(workflow_id),
            version=storable(version),
        )
        if found is None:
            raise NotFoundError(f"there is no version {version} of workflow {workflow_id}")
        return rows.workflow_version(record(found))

    # executions

    async def create_execution(
        self, execution: Execution, *, most: int | None = None
    ) -> tuple[Execution, bool]:
        # with the service key: who may call it could pass budgets, rates and slots by
        row = rows.execution_row(execution)
        for name in ("owner", "started_by"):
            row[name] = row[name] and owner_id(row[name])
        texts = (
            "id",
            "workflow_id",
            "temporal_run_id",
            "triggered_by",
            "source_id",
            "parent_execution_id",
            "parent_node_id",
            "parent_path",
            "root_execution_id",
        )
        for name in texts:
            row[name] = row[name] and plain(row[name])
        row["workflow_version"] = storable(execution.workflow_version)
        row["created_at"] = utc(execution.created_at)
        if execution.held_at is not None:
            most = None  # it is held already
        found = await self._connection.write_all(
            "create_execution", execution=row, most=None if most is None else storable(most)
        )
        if "row" in found:
            return rows.execution(record(found["row"])), False
        held_at = found["held_at"]
        return replace(execution, held_at=held_at and moment(held_at)), True

    async def triggered(
        self, owner: str, triggered_by: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[Execution]:
        found = await self._connection.read(
            "list_triggered",
            owner=owner_id(owner),
            triggered_by=plain(triggered_by),
            **window(limit, cursor),
        )
        return page([record(row) for row in found], rows.execution, limit=limit)

    async def get_execution(self, owner: str, execution_id: str) -> Execution:
        found = await self._connection.read(
            "get_execution", owner=owner_id(owner), id=plain(execution_id)
        )
        if found is None:
            raise _no_execution(execution_id)
        return rows.execution(record(found))

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
        found = await self._connection.read(
            "list_executions",
            owner=owner_id(owner),
            workflow_id=None if workflow_id is None else plain(workflow_id),
            status=status,
            parent=None if parent is None else plain(parent),
            first=None if first is None else utc(first),
            last=None if last is None else utc(last),
            **window(limit, cursor),
        )
        return page([record(row) for row in found], rows.execution, limit=limit)

    async def executions_by_day(
        self, owner: str, *, first: datetime, last: datetime, workflow_id: str | None = None
    ) -> list[DayCount]:
        found = await self._connection.read(
            "executions_by_day",
            owner=owner_id(owner),
            workflow_id=None if workflow_id is None else plain(workflow_id),
            first=utc(first),
            last=utc(last),
        )
        return [
            DayCount(date.fromisoformat(day), ExecutionStatus(status), count)
            for day, status, count in found
        ]

    async def open_executions(
        self, *, before: datetime, limit: int = 100, cursor: str | None = None
    ) -> Page[Execution]:
        found = await self._connection.read_all(
            "open_executions", created_before=utc(before), **window(limit, cursor)
        )
        return page([record(row) for row in found], rows.execution, limit=limit)

    async def open_counts(self) -> dict[ExecutionStatus, OpenCount]:
        found = await self._connection.read_all("open_counts")
        return {
            ExecutionStatus(row["status"]): OpenCount(row["count"], moment(row["oldest"]))
            for row in found
        }

    async def progress(self, execution_ids: Sequence[str]) -> list[Progress]:
        found = await self._connection.read_all(
            "progress", ids=[plain(one) for one in execution_ids]
        )
        return [_progress(row) for row in found]

    async def begun(
        self, owners: Sequence[str], *, since: datetime, limit: int = 1000
    ) -> list[Progress]:
        found = await self._connection.read_all(
            "begun",
            owners=[owner_id(one) for one in owners],
            since=utc(since),
            size=storable(limit),
        )
        return [_progress(row) for row in found]

    async def node_runs(self, owner: str, execution_id: str) -> list[NodeRun]:
        found = await self._connection.read(
            "node_runs", owner=owner_id(owner), id=plain(execution_id)
        )
        if found is None:
            raise _no_execution(execution_id)
        return [rows.node_run(record(row)) for row in found]

    async def set_temporal_run(self, execution_id: str, run_id: str) -> None:
        await self._connection.write_all(
            "set_temporal_run", id=plain(execution_id), run_id=plain(run_id)
        )

    async def request_cancel(self, execution_id: str, at: datetime) -> None:
        await self._connection.write("request_cancel", id=plain(execution_id), at=utc(at))

    async def overdue_cancels(self, *, before: datetime, limit: int) -> list[Execution]:
        found = await self._connection.read_all(
            "overdue_cancels", before=utc(before), size=max(1, storable(limit))
        )
        return [rows.execution(record(row)) for row in found]

    # events: written by nobody but πlot itself

    async def append_events(
        self, execution_id: str, events: Sequence[Event], *, edition: str = UNKNOWN
    ) -> None:
        """As the protocol says. Live-only events are left out. Raises `ValueError` for an
        event of another execution and for what JSON cannot hold (NaN)."""
        batch = Batch.of(execution_id, await self.values.aside(execution_id, events))
        if batch.events:
            await self._append(batch, edition)

    async def append_round(self, told: Sequence[Told]) -> set[str]:
        """None: here each execution's events are a call of their own."""
        return set()

    async def replace_events(
        self, execution_id: str, events: Sequence[Event], *, edition: str = UNKNOWN
    ) -> None:
        """As the protocol says. Raises as `append_events` does."""
        events = await self.values.aside(execution_id, events)
        await self._append(Batch.of(execution_id, events), edition, forget=True)

    async def _append(self, batch: Batch, edition: str, *, forget: bool = False) -> None:
        again = None
        while True:
            refused = await self._connection.write_all(
                "append_events", **batch_params(batch), edition=edition, forget=forget, again=again
            )
            if refused is None:
                return
            # nothing was written; others may write before the next time, and it is asked again
            if refused["without"] is not None:
                batch = batch.without(set(refused["without"]))
                if not batch.events and not edition:
                    return
            if refused["again"] is not None:
                again = made_again(batch.execution_id, refused["again"])

    async def events(
        self, owner: str, execution_id: str, *, after_seq: int = 0, limit: int = 1000
    ) -> list[Event]:
        found = await self._connection.read(
            "events",
            owner=owner_id(owner),
            id=plain(execution_id),
            after=storable(after_seq),
            size=max(1, storable(limit)),
        )
        if found is None:
            raise _no_execution(execution_id)
        ids = {"execution_id": execution_id, "workflow_id": found["workflow_id"]}
        return [rows.event(record(row, **ids)) for row in found["events"]]

    async def missing_from(self, execution_id: str) -> int:
        """As the protocol says. Raises `NotFoundError` where there is no such execution."""
        found = await self._connection.read_all("missing_from", id=plain(execution_id))
        if found is None:
            raise _no_execution(execution_id)
        return int(found)


def _progress(row: dict[str, Any]) -> Progress:
    return Progress(
        row["id"], row["owner"], moment(row["created_at"]), row["last_seq"], row["edition"]
    )


def _no_execution(execution_id: str) -> NotFoundError:
    return NotFoundError(f"there is no execution {execution_id}")
