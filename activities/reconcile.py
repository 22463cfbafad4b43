"""reconcile_page: compares open rows of the store with Temporal, and repairs the row.

| the row | Temporal | what is done |
| --- | --- | --- |
| queued, with an idempotency key | knows no such run | the run is started |
| queued, without a key | knows no such run | failed: `never_started` |
| open | completed, failed or cancelled | the events that the store lacks are fetched |
| open | terminated | cancelled: `terminated` |
| open | timed out | timed out |
| running | knows no such run any more | failed: `history_lost` |

A client that sent a key repeats its request and gets this execution, so it may be started late;
one that sent none has been told of a failure and may have tried again.

All repairs are events with the next `seq`, so doing one twice changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

from temporalio import activity
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowQueryFailedError,
)
from temporalio.service import RPCError, RPCStatusCode

from pilot import metrics, runs
from pilot.errors import PilotError
from pilot.events import sink
from pilot.events.model import FINAL_EVENT_TYPES, Envelope, Event, EventType, rfc3339
from pilot.graph.compile import compile_plan
from pilot.graph.model import Graph
from pilot.graph.schedule import Reason
from pilot.graph.status import ExecutionStatus, NodeStatus
from pilot.nodes import specs
from pilot.store import Execution, Store
from workflows_def.messages import QUERY_EVENTS, EventsPage
from workflows_def.reconcile import RECONCILE_ACTIVITY, ReconcilePage, ReconcileRequest

log = logging.getLogger(__name__)

CALL_LIMIT = timedelta(seconds=5)
QUERY_LIMIT = timedelta(seconds=10)
AT_ONCE = 10
"""Rows of a page that are looked at side by side."""

SETTLED = timedelta(seconds=30)
"""Younger rows are left alone: the request that writes them is still under way."""
START_GRACE = timedelta(seconds=60)
"""A queued row younger than this may yet be started by its own request."""


class Reconciler:
    """The activity, with what it compares."""

    def __init__(self, store: Store, client: Client, task_queue: str) -> None:
        self._store = store
        self._client = client
        self._task_queue = task_queue

    @activity.defn(name=RECONCILE_ACTIVITY)
    async def reconcile(self, request: ReconcileRequest) -> ReconcilePage:
        before = datetime.now(UTC) - SETTLED
        page = await self._store.open_executions(
            before=before, cursor=request.cursor, limit=request.rows
        )
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(row: Execution) -> str | None:
            async with limit:
                return await self._row(row)

        outcomes = await asyncio.gather(*(one(row) for row in page.items), return_exceptions=True)
        repaired: Counter[str] = Counter()
        stuck: list[Execution] = []
        for row, outcome in zip(page.items, outcomes, strict=True):
            if isinstance(outcome, RPCError | PilotError):
                log.warning("execution %s could not be reconciled: %s", row.id, outcome)
                stuck.append(row)
            elif isinstance(outcome, BaseException):
                raise outcome
            elif outcome is not None:
                log.info("execution %s was repaired: %s", row.id, outcome)
                repaired[outcome] += 1
        metrics.current().repaired(repaired)
        oldest = min((row.created_at for row in stuck), default=None)
        return ReconcilePage(
            cursor=page.next_cursor,
            checked=len(page.items),
            repaired=dict(repaired),
            failed=len(stuck),
            oldest_failed_at=oldest.isoformat() if oldest else None,
        )

    async def _row(self, row: Execution) -> str | None:
        """Brings one row in line. The kind of repair, None where there was none to make."""
        handle = self._client.get_workflow_handle(row.temporal_workflow_id)
        try:
            description = await handle.describe(rpc_timeout=CALL_LIMIT)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return await self._absent(row)
        if row.temporal_run_id is None:
            await self._store.set_temporal_run(row.id, description.run_id)
        if description.status in (None, WorkflowExecutionStatus.RUNNING):
            return None
        await self._fetch(row, handle)
        if (await self._fresh(row)).status.is_final:
            return "events_fetched"
        event, status, reason = _verdict(description)
        await self._close(row, event, status, reason)
        return reason["code"]

    async def _absent(self, row: Execution) -> str | None:
        if row.temporal_run_id is not None or row.last_seq:
            error = {
                "code": "history_lost",
                "message": "Temporal no longer knows this run, and its end was never recorded",
            }
            await self._close(row, EventType.EXECUTION_FAILED, ExecutionStatus.FAILED, error)
            return "history_lost"
        if datetime.now(UTC) - row.created_at < START_GRACE:
            return None
        if UUID(row.id).version == 5:
            return await self._start(row)
        error = {
            "code": "never_started",
            "message": "the request that wrote this execution died before it was started",
        }
        await self._close(row, EventType.EXECUTION_FAILED, ExecutionStatus.FAILED, error)
        return "never_started"

    async def _start(self, row: Execution) -> str:
        # a row of a list comes without its input
        row = await self._fresh(row)
        version = await self._store.get_version(row.owner, row.workflow_id, row.workflow_version)
        plan = compile_plan(Graph.model_validate(version.graph), specs())
        run = runs.run_of(row, version.name, plan)
        run_id = await runs.start(self._client, run, self._task_queue, limit=CALL_LIMIT)
        await self._store.set_temporal_run(row.id, run_id)
        return "started"

    async def _fresh(self, row: Execution) -> Execution:
        return await self._store.get_execution(row.owner, row.id)

    async def _fetch(self, row: Execution, handle: WorkflowHandle[object, object]) -> None:
        """Copies what the store lacks from the run's own list, while Temporal still has it."""
        missing = await self._store.missing_from(row.id)
        more = True
        while more:
            try:
                page: EventsPage = await handle.query(
                    QUERY_EVENTS, missing - 1, result_type=EventsPage, rpc_timeout=QUERY_LIMIT
                )
            except WorkflowQueryFailedError as error:
                log.warning("the events of execution %s cannot be asked: %s", row.id, error)
                return
            if page.events:
                await self._store.append_events(
                    row.id, [Event.from_json(body) for body in page.events]
                )
            missing += len(page.events)
            more = page.more and bool(page.events)

    async def _close(
        self, row: Execution, type: EventType, status: ExecutionStatus, error: dict[str, str]
    ) -> None:
        """The events that the run itself would have written, had it come to its end."""
        at = rfc3339(datetime.now(UTC))
        seq = (await self._fresh(row)).last_seq
        events: list[Event] = []

        def say(type: EventType, **fields: object) -> None:
            events.append(
                Event(type, row.id, row.workflow_id, at, seq + len(events) + 1, **fields)  # type: ignore[arg-type]
            )

        reason = (
            Reason.EXECUTION_CANCELLED
            if status is ExecutionStatus.CANCELLED
            else Reason.EXECUTION_FAILED
        )
        begun = {
            (run.node_id, run.path): run.status
            for run in await self._store.node_runs(row.owner, row.id)
        }
        for (node_id, path), state in begun.items():
            if not state.is_final:
                say(
                    EventType.NODE_CANCELLED,
                    node_id=node_id,
                    path=path,
                    status=NodeStatus.CANCELLED,
                    data={"reason": reason.value},
                )
        version = await self._store.get_version(row.owner, row.workflow_id, row.workflow_version)
        for node in Graph.model_validate(version.graph).nodes:
            if (node.id, "") not in begun:
                say(
                    EventType.NODE_SKIPPED,
                    node_id=node.id,
                    status=NodeStatus.SKIPPED,
                    data={"type": node.type, "reason": reason.value},
                )
        say(type, status=status, data={"error": error})
        assert events[-1].type in FINAL_EVENT_TYPES
        await self._store.append_events(row.id, events)
        for event in events:
            sink.emit(Envelope(row.owner, event))


def _verdict(
    description: WorkflowExecutionDescription,
) -> tuple[EventType, ExecutionStatus, dict[str, str]]:
    """How a run ended that could not say so itself."""
    match description.status:
        case WorkflowExecutionStatus.TERMINATED:
            return (
                EventType.EXECUTION_CANCELLED,
                ExecutionStatus.CANCELLED,
                {"code": "terminated", "message": "the run was terminated in Temporal"},
            )
        case WorkflowExecutionStatus.TIMED_OUT:
            return (
                EventType.EXECUTION_TIMED_OUT,
                ExecutionStatus.TIMED_OUT,
                {"code": "timed_out", "message": "the run took longer than it may"},
            )
        case WorkflowExecutionStatus.CANCELED:
            return (
                EventType.EXECUTION_CANCELLED,
                ExecutionStatus.CANCELLED,
                {"code": "cancelled", "message": "the execution was cancelled"},
            )
        case _:
            return (
                EventType.EXECUTION_FAILED,
                ExecutionStatus.FAILED,
                {"code": "run_failed", "message": "the run failed before it could say why"},
            )
