"""`InterpretGraph`: the one workflow that runs every stored graph.

It drives `pilot.graph.schedule`: each ready node becomes a task that runs the node's activity
under the policy of its plan, and each task's end makes further nodes ready. Everything that
the outside may ask (snapshot, events) is answered from memory, by queries, at no cost to the
run's history.
"""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import timedelta
from typing import Any, NoReturn

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ApplicationError, FailureError

from pilot.events.model import EventType
from pilot.graph.plan import PlanNode
from pilot.graph.schedule import Changes, Reason, Schedule
from pilot.graph.spec import DEFAULT_HANDLE, ERROR_HANDLE
from pilot.graph.status import ExecutionStatus, NodeStatus
from pilot.graph.task import NodeResult
from workflows_def.details import details
from workflows_def.dispatch import dispatch, policy_of
from workflows_def.failure import Failure, failure_of, is_cancelled
from workflows_def.journal import Journal
from workflows_def.messages import (
    QUERY_EVENTS,
    QUERY_SNAPSHOT,
    RECORD_ACTIVITY,
    SEARCH_ATTRIBUTE_STATUS,
    SIGNAL_PAUSE,
    SIGNAL_RESUME,
    WORKFLOW_TYPE,
    EventsPage,
    RecordRequest,
    RecordResult,
    RunInput,
    Snapshot,
)
from workflows_def.records import Records
from workflows_def.tools import Toolbox

MAX_IN_FLIGHT = 500
"""Nodes of one run that are under way at once. Temporal refuses a workflow more than 2,000
open activities."""

RECORD_TIMEOUT = timedelta(seconds=60)
RECORD_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=500), maximum_interval=timedelta(seconds=30)
)

_STATUS = SearchAttributeKey.for_keyword(SEARCH_ATTRIBUTE_STATUS)


@workflow.defn(name=WORKFLOW_TYPE)
class InterpretGraph:
    """Runs one immutable graph version.

    Its result is the execution's output. It fails with an `ApplicationError` whose type is the
    code of the node's error, and ends cancelled when it was cancelled.
    """

    @workflow.init
    def __init__(self, run: RunInput) -> None:
        self._run = run
        self._nodes = {node.id: node for node in run.plan.nodes}
        self._schedule = Schedule(run.plan)
        self._records = Records(run, self._schedule)
        self._journal = Journal(run)
        self._toolbox = Toolbox(run, self._schedule, self._records, self._journal)
        self._status = ExecutionStatus.RUNNING
        self._ready: deque[str] = deque()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failure: tuple[str, Failure] | None = None
        self._stopping: Reason | None = None
        self._bug: BaseException | None = None
        self._changed = True
        self._started_at: str | None = None

    @workflow.run
    async def run(self, run: RunInput) -> Any:
        started = self._journal.append(
            EventType.EXECUTION_STARTED, status=self._status, data={"input": run.input}
        )
        self._started_at = started.at
        self._apply(self._schedule.begin())
        try:
            while not self._settled:
                await workflow.wait_condition(lambda: self._changed)
                if self._bug is not None:
                    raise self._bug
                self._changed = False
                workflow.set_current_details(details(run.plan, self._schedule, self._status.value))
        except asyncio.CancelledError:
            await self._stop(Reason.EXECUTION_CANCELLED)
            await self._finish(
                ExecutionStatus.CANCELLED,
                EventType.EXECUTION_CANCELLED,
                {"error": {"code": "cancelled", "message": "the execution was cancelled"}},
            )
            raise
        if self._failure is not None:
            await self._fail(*self._failure)
        self._toolbox.end()
        for node_id in self._schedule.stop(Reason.TOOL_NOT_CALLED):
            self._skipped(node_id, Reason.TOOL_NOT_CALLED)
        output = self._records.output()
        await self._finish(
            ExecutionStatus.SUCCEEDED, EventType.EXECUTION_SUCCEEDED, {"output": output}
        )
        return output

    @property
    def _settled(self) -> bool:
        if self._failure is not None:
            return True
        return self._schedule.finished and not self._tasks

    # -- nodes ---------------------------------------------------------------------------

    def _apply(self, changes: Changes) -> None:
        """Takes over what the schedule decided, and starts what may start."""
        for node_id, reason in changes.skipped:
            self._skipped(node_id, reason)
        self._ready.extend(changes.ready)
        self._start_ready()
        self._changed = True

    def _start_ready(self) -> None:
        if self._stopping or self._status is ExecutionStatus.PAUSED:
            return
        while self._ready and len(self._tasks) < MAX_IN_FLIGHT:
            node = self._nodes[self._ready.popleft()]
            self._schedule.started(node.id)
            task = asyncio.create_task(self._run_node(node))
            task.add_done_callback(self._task_done)
            self._tasks[node.id] = task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        """An error of the interpreter itself must fail the workflow task, where it is seen and
        retried, instead of being lost with its asyncio task."""
        if not task.cancelled() and task.exception() is not None:
            self._bug = task.exception()
            self._changed = True

    async def _run_node(self, node: PlanNode) -> None:
        value, scope = self._records.enter(node)
        record = self._records[node.id]
        started = self._journal.append(
            EventType.NODE_STARTED,
            node_id=node.id,
            status=NodeStatus.RUNNING,
            data={"type": node.type, "name": node.name},
        )
        record.started_at = started.at
        try:
            result = await dispatch(self._run, node, scope)
            if result.tool_calls:
                result = await self._toolbox.converse(node, scope, result)
        except FailureError as error:
            if self._stopping and is_cancelled(error):
                self._cancelled(node)
            else:
                self._failed(node, failure_of(error, policy_of(self._run, node)))
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            self._cancelled(node)
        else:
            self._succeeded(node, value, result)
        finally:
            del self._tasks[node.id]
            self._changed = True
        self._start_ready()

    def _succeeded(self, node: PlanNode, value: Any, result: NodeResult) -> None:
        record = self._records[node.id]
        record.ran = True
        record.output = value if node.passes_input else result.output
        record.meta = result.meta
        record.vars = result.vars
        self._records.add_usage(result.meta)
        data: dict[str, Any] = {"meta": result.meta}
        if not node.passes_input:
            data["output"] = result.output
        if result.vars:
            data["vars"] = result.vars
        event = self._journal.append(
            EventType.NODE_SUCCEEDED,
            node_id=node.id,
            status=NodeStatus.SUCCEEDED,
            attempt=result.meta.get("attempt"),
            data=data,
        )
        record.finished_at = event.at
        self._go_on(node, result.handles or [DEFAULT_HANDLE], NodeStatus.SUCCEEDED)

    def _failed(self, node: PlanNode, failure: Failure) -> None:
        """The node's attempts are used up: the run fails, or goes on as `on_error` says."""
        record = self._records[node.id]
        record.error = failure.to_json()
        record.meta = failure.meta
        self._records.add_usage(failure.meta)
        data: dict[str, Any] = {"error": record.error, "meta": failure.meta}
        if node.on_error != "fail":
            record.ran = True
            record.output = record.error if node.on_error == "branch" else node.default_output
            data["output"] = record.output
        event = self._journal.append(
            EventType.NODE_FAILED,
            node_id=node.id,
            status=NodeStatus.FAILED,
            attempt=failure.attempt,
            data=data,
        )
        record.finished_at = event.at
        if node.on_error == "fail":
            self._schedule.ended(node.id, NodeStatus.FAILED)
            if self._failure is None and not self._stopping:
                self._failure = (node.id, failure)
        else:
            handle = ERROR_HANDLE if node.on_error == "branch" else DEFAULT_HANDLE
            self._go_on(node, [handle], NodeStatus.FAILED)

    def _go_on(self, node: PlanNode, handles: list[str], status: NodeStatus) -> None:
        if self._stopping:
            self._schedule.ended(node.id, status)
            return
        changes = self._schedule.completed(node.id, handles, status)
        self._records.leave(node)
        self._apply(changes)

    def _cancelled(self, node: PlanNode) -> None:
        assert self._stopping is not None
        self._schedule.ended(node.id, NodeStatus.CANCELLED, self._stopping)
        event = self._journal.append(
            EventType.NODE_CANCELLED,
            node_id=node.id,
            status=NodeStatus.CANCELLED,
            data={"reason": self._stopping.value},
        )
        self._records[node.id].finished_at = event.at

    def _skipped(self, node_id: str, reason: Reason) -> None:
        self._journal.append(
            EventType.NODE_SKIPPED,
            node_id=node_id,
            status=NodeStatus.SKIPPED,
            data={"type": self._nodes[node_id].type, "reason": reason.value},
        )

    # -- the end -------------------------------------------------------------------------

    async def _stop(self, reason: Reason) -> None:
        """Starts nothing more, cancels what is under way and waits for it."""
        self._stopping = reason
        self._ready.clear()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await _undisturbed(asyncio.gather(*tasks, return_exceptions=True))
        self._toolbox.end()
        for node_id in self._schedule.stop(reason):
            self._skipped(node_id, reason)

    async def _fail(self, node_id: str, failure: Failure) -> NoReturn:
        await self._stop(Reason.EXECUTION_FAILED)
        await self._finish(
            ExecutionStatus.FAILED,
            EventType.EXECUTION_FAILED,
            {"error": failure.to_json(node_id)},
        )
        raise ApplicationError(
            f"{self._nodes[node_id].name}: {failure.message}",
            {"node_id": node_id},
            type=failure.code,
            non_retryable=True,
        )

    async def _finish(
        self, status: ExecutionStatus, event: EventType, data: dict[str, Any]
    ) -> None:
        """The last event, and the whole truth written to the store. From here on a cancel
        comes too late."""
        self._status = status
        self._journal.append(event, status=status, data={**data, "usage": self._records.usage})
        workflow.set_current_details(details(self._run.plan, self._schedule, status.value))
        # only where the start set it: a server that does not know the attribute refuses it
        if workflow.info().typed_search_attributes.get(_STATUS) is not None:
            workflow.upsert_search_attributes([_STATUS.value_set(status.value)])
        await _undisturbed(
            asyncio.ensure_future(
                workflow.execute_activity(
                    RECORD_ACTIVITY,
                    RecordRequest(self._run.execution_id, self._journal.last_seq),
                    result_type=RecordResult,
                    start_to_close_timeout=RECORD_TIMEOUT,
                    retry_policy=RECORD_RETRY,
                    summary="write the result to the store",
                )
            )
        )

    # -- from outside --------------------------------------------------------------------

    @workflow.signal(name=SIGNAL_PAUSE)
    def pause(self) -> None:
        """Starts no further node until `resume`; nodes that are under way end."""
        if self._status is ExecutionStatus.RUNNING and self._stopping is None:
            self._status = ExecutionStatus.PAUSED
            self._journal.append(EventType.EXECUTION_PAUSED, status=self._status)
            self._changed = True

    @workflow.signal(name=SIGNAL_RESUME)
    def resume(self) -> None:
        if self._status is ExecutionStatus.PAUSED:
            self._status = ExecutionStatus.RUNNING
            self._journal.append(EventType.EXECUTION_RESUMED, status=self._status)
            self._start_ready()
            self._changed = True

    @workflow.query(name=QUERY_SNAPSHOT)
    def snapshot(self, outputs: bool = False) -> Snapshot:
        """The run as it stands; whole outputs only on demand, they may be large."""
        final = self._status is ExecutionStatus.SUCCEEDED
        return Snapshot(
            execution_id=self._run.execution_id,
            status=self._status.value,
            seq=self._journal.last_seq,
            nodes=self._records.states(outputs=outputs),
            output=self._records.output() if final and outputs else None,
            error=self._failure[1].to_json(self._failure[0]) if self._failure else None,
            usage=self._records.usage,
            started_at=self._started_at,
        )

    @workflow.query(name=QUERY_EVENTS)
    def events(self, after_seq: int = 0) -> EventsPage:
        """The run's events after `after_seq`, with whole outputs."""
        return self._journal.page(after_seq)


async def _undisturbed(future: asyncio.Future[Any]) -> None:
    """Waits for the future to end, whatever cancellation comes meanwhile."""
    while not future.done():
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError:
            if future.cancelled():
                raise
    future.result()
