"""`InterpretGraph`: the one workflow that runs every stored graph.

It drives `pilot.graph.schedule`: each ready node becomes a task that runs the node's activity
under the policy of its plan, and each task's end makes further nodes ready. Everything that
the outside may ask (snapshot, events) is answered from memory, by queries, at no cost to the
run's history.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey

from pilot.events.edition import UNKNOWN
from pilot.events.model import EventType
from pilot.graph.schedule import Reason, Schedule
from pilot.graph.status import ExecutionStatus
from workflows_def import approval, called, wait  # noqa: F401 (what nodes of these types do)
from workflows_def.details import details
from workflows_def.ending import CANCELLED, Ending, crashed, failed, timed_out
from workflows_def.host import NodeHost
from workflows_def.journal import Journal
from workflows_def.loop import run_loop
from workflows_def.map import run_map
from workflows_def.messages import (
    CLEANUP_LIMIT_S,
    QUERY_EVENTS,
    QUERY_SNAPSHOT,
    RECORD_ACTIVITY,
    SEARCH_ATTRIBUTE_STATUS,
    SIGNAL_PAUSE,
    SIGNAL_RESUME,
    WORKFLOW_TYPE,
    ChildResult,
    EventsPage,
    RecordRequest,
    RecordResult,
    RunInput,
    Snapshot,
)
from workflows_def.nodes import Nodes
from workflows_def.pace import too_large
from workflows_def.recall import recall
from workflows_def.records import Records
from workflows_def.steps import FOLLOWS
from workflows_def.undisturbed import undisturbed

RECORD_TIMEOUT = timedelta(seconds=60)
RECORD_HEARTBEAT = timedelta(seconds=10)
RECORD_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=500), maximum_interval=timedelta(seconds=30)
)

BUGS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a bug of the interpreter raises where it cannot end the run by itself (in a handler of a
signal, say). It ends the run, which else would meet it again with each retry of its workflow
task. Not among them is Temporal's own error of a history that does not replay: a run is not lost
to a bad deployment, it waits for the next one."""

FOLLOWS |= {"map": run_map, "loop": run_loop}

HAPPENING = frozenset({ExecutionStatus.RUNNING, ExecutionStatus.WAITING})

_STATUS = SearchAttributeKey.for_keyword(SEARCH_ATTRIBUTE_STATUS)


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=BUGS)
class InterpretGraph(NodeHost):
    """Runs one immutable graph version.

    Its result is the execution's output; for the run that began it, a `ChildResult`. It fails
    with an `ApplicationError` whose type is the code of what ended it, and ends cancelled when it
    was cancelled.
    """

    @workflow.init
    def __init__(self, run: RunInput) -> None:
        super().__init__()
        if not run.execution_id:
            _, _, execution_id = workflow.info().workflow_id.partition("-")
            run = replace(run, execution_id=execution_id)
        self._run = run
        self._schedule = Schedule(run.plan)
        self._records = Records(run, self._schedule)
        self._journal = Journal(run)
        self._nodes = Nodes(run, self._schedule, self._records, self._journal)
        self.enter("", self._nodes)
        self._status = ExecutionStatus.RUNNING
        self._started_at: str | None = None

    @workflow.run
    async def run(self, run: RunInput) -> Any:
        data: dict[str, Any] = {"input": run.input}
        if run.parent is not None:
            data["parent_execution_id"] = run.parent.execution_id
        started = self._journal.append(EventType.EXECUTION_STARTED, status=self._status, data=data)
        self._started_at = started.at
        limit = self._expire_after(run.timeout_s) if run.timeout_s else None
        try:
            output = await self._interpret()
        except asyncio.CancelledError:
            self._nodes.ending = CANCELLED
        except Exception as error:
            self._nodes.ending = crashed(error)
        if limit is not None:
            limit.cancel()
        if self._nodes.ending is not None:
            await self._end(self._nodes.ending)
        self._nodes.close(Reason.TOOL_NOT_CALLED)
        await self._finish(
            ExecutionStatus.SUCCEEDED, EventType.EXECUTION_SUCCEEDED, {"output": output}
        )
        return output if run.parent is None else ChildResult(output, self._records.usage)

    async def _interpret(self) -> Any:
        """The execution's output, once all nodes have ended or something ended the run."""
        self._nodes.recorded = await recall(self._run)
        self._nodes.begin()
        await self._drive(lambda: self._nodes.ending is not None)
        if self._nodes.ending is not None:
            return None
        output = self._records.output()
        if failure := too_large(output, self._run.sizes):
            self._nodes.ending = failed(failure)
        return output

    async def _drive(self, is_over: Callable[[], bool]) -> None:
        """Returns when all nodes have ended, or earlier if that is so."""
        while not is_over() and not self._nodes.finished:
            await workflow.wait_condition(lambda: self._nodes.changed)
            if self._nodes.bug is not None:
                raise self._nodes.bug
            self._nodes.changed = False
            self._tell_waiting()
            workflow.set_current_details(
                details(self._run.plan, self._schedule, self._status.value)
            )

    def _tell_waiting(self) -> None:
        """A run waits while all that is under way does."""
        if self._nodes.ending is not None:
            return
        waiting = self._nodes.waiting
        if self._status is ExecutionStatus.RUNNING and waiting:
            self._set(ExecutionStatus.WAITING, EventType.EXECUTION_WAITING, {"nodes": waiting})
        elif self._status is ExecutionStatus.WAITING and not waiting:
            self._set(ExecutionStatus.RUNNING, EventType.EXECUTION_RESUMED)

    def _set(
        self, status: ExecutionStatus, event: EventType, data: dict[str, Any] | None = None
    ) -> None:
        self._status = status
        self._journal.append(event, status=status, data=data)

    def _expire_after(self, seconds: float) -> asyncio.Task[None]:
        async def expire() -> None:
            await workflow.sleep(seconds, summary="time limit of the execution")
            if self._nodes.ending is None:
                self._nodes.ending = timed_out(seconds)
                self._nodes.changed = True

        return asyncio.create_task(expire())

    # -- the end -------------------------------------------------------------------------

    async def _end(self, ending: Ending) -> NoReturn:
        """The run ends early: stops what is under way, cleans up, and says so."""
        await self._nodes.stop(ending.reason)
        if ending.cleans_up and self._run.plan.cleanup:
            await undisturbed(asyncio.ensure_future(self._clean_up()))
        self._nodes.close(ending.reason)
        error = ending.failure.to_json(ending.node_id)
        await self._finish(ending.status, ending.event, {"error": error})
        usage = None if self._run.parent is None else self._records.usage
        raise ending.exception(self._nodes.name(ending.node_id), usage)

    async def _clean_up(self) -> None:
        """Runs the clean-up nodes, within a time of their own."""
        expired = False

        async def expire() -> None:
            nonlocal expired
            await workflow.sleep(CLEANUP_LIMIT_S, summary="time limit of the clean-up")
            expired = self._nodes.changed = True

        limit = asyncio.create_task(expire())
        self.hold(False)
        self._nodes.begin_cleanup()
        await self._drive(lambda: expired)
        limit.cancel()
        if expired:
            await self._nodes.stop(Reason.CLEANUP_TIMED_OUT)

    async def _finish(
        self, status: ExecutionStatus, event: EventType, data: dict[str, Any]
    ) -> None:
        """The last event, and the whole truth written to the store. From here on a cancel
        comes too late."""
        # who has sent something is answered before the run is closed
        await undisturbed(
            asyncio.ensure_future(workflow.wait_condition(workflow.all_handlers_finished))
        )
        self._status = status
        self._journal.append(event, status=status, data={**data, "usage": self._records.usage})
        workflow.set_current_details(details(self._run.plan, self._schedule, status.value))
        # only where the start set it: a server that does not know the attribute refuses it
        if workflow.info().typed_search_attributes.get(_STATUS) is not None:
            workflow.upsert_search_attributes([_STATUS.value_set(status.value)])
        await undisturbed(
            asyncio.ensure_future(
                workflow.execute_activity(
                    RECORD_ACTIVITY,
                    RecordRequest(
                        self._run.execution_id,
                        self._journal.last_seq,
                        self._journal.rebuilt,
                        note_run=self._run.parent is not None,
                        starter=self._run.starter,
                        edition=self._journal.edition if self._journal.rebuilt else UNKNOWN,
                    ),
                    result_type=RecordResult,
                    start_to_close_timeout=RECORD_TIMEOUT,
                    heartbeat_timeout=RECORD_HEARTBEAT,
                    retry_policy=RECORD_RETRY,
                )
            )
        )

    # -- from outside --------------------------------------------------------------------

    @workflow.signal(name=SIGNAL_PAUSE)
    def pause(self) -> None:
        """Starts no further node until `resume`; nodes that are under way end."""
        if self._status in HAPPENING and self._nodes.ending is None:
            self._set(ExecutionStatus.PAUSED, EventType.EXECUTION_PAUSED)
            self.hold(True)

    @workflow.signal(name=SIGNAL_RESUME)
    def resume(self) -> None:
        if self._status is ExecutionStatus.PAUSED:
            self._set(ExecutionStatus.RUNNING, EventType.EXECUTION_RESUMED)
            self.hold(False)

    @workflow.query(name=QUERY_SNAPSHOT)
    def snapshot(self, outputs: bool = False) -> Snapshot:
        """The run as it stands; whole outputs only on demand, they may be large."""
        final = self._status is ExecutionStatus.SUCCEEDED
        ending = self._nodes.ending
        return Snapshot(
            execution_id=self._run.execution_id,
            status=self._status.value,
            seq=self._journal.last_seq,
            nodes=self._records.states(outputs=outputs),
            output=self._records.output() if final and outputs else None,
            error=ending.failure.to_json(ending.node_id) if ending else None,
            usage=self._records.usage,
            started_at=self._started_at,
        )

    @workflow.query(name=QUERY_EVENTS)
    def events(self, after_seq: int = 0) -> EventsPage:
        """The run's events after `after_seq`, with whole outputs."""
        return self._journal.page(after_seq)
