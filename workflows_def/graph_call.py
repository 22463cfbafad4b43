"""`CallGraph`: a stored workflow's run, for a Temporal workflow that is not of πlot.

The caller starts it as a child on πlot's task queue (`pilot.workflows.run_graph`), so that its
worker needs nothing of ours but the payloads' format. The run is an execution as any other: with a
row, its turn among the owner's others, budgets, events and a place on the canvas.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows_def.following import FIRST_LOOK_S, HEARTBEAT, LIMIT, RETRY, Following
from workflows_def.scheduled import Begun

CALL_WORKFLOW = "CallGraph"
BEGIN_CALL_ACTIVITY = "begin_graph_call"
RESULT_ACTIVITY = "graph_call_result"


@dataclass(frozen=True, slots=True)
class GraphCall:
    """`owner` is the user or organisation whose workflow it is. `version` is a number, `draft` or
    `published`; None: as a run that names none. `timeout_s` bounds the run beside the graph's own
    limit. The rest is carried over where the workflow goes on as a new one."""

    owner: str
    workflow_id: str
    input: Any = None
    version: int | str | None = None
    timeout_s: float | None = None
    execution_id: str | None = None
    look_after_s: float = FIRST_LOOK_S


@dataclass(frozen=True, slots=True)
class CallRequest:
    """The argument of the activity that begins the execution. `caller` is the first run's id of
    the workflow that calls: what is tried again, or reset, finds the execution of before."""

    call: GraphCall
    caller: str


@dataclass(frozen=True, slots=True)
class CallResult:
    """What an execution came to."""

    status: str
    output: Any = None
    error: dict[str, Any] | None = field(default=None)


@workflow.defn(name=CALL_WORKFLOW)
class CallGraph(Following):
    """Its result is the run's output. It fails with an `ApplicationError` whose type is the code of
    what ended the run, or of why it could not begin, and whose detail is `{execution_id}`."""

    @workflow.run
    async def run(self, call: GraphCall) -> Any:
        return await self._to_the_end(self._follow(call))

    async def _follow(self, call: GraphCall) -> Any:
        execution_id = call.execution_id or await self._begin(call)
        await self._end_of(
            execution_id,
            call.look_after_s,
            lambda look_after_s: workflow.continue_as_new(
                replace(call, execution_id=execution_id, look_after_s=look_after_s)
            ),
        )
        if self._cancelled:
            return None
        result: CallResult = await workflow.execute_activity(
            RESULT_ACTIVITY,
            execution_id,
            result_type=CallResult,
            start_to_close_timeout=LIMIT,
            retry_policy=RETRY,
        )
        if result.status == "succeeded":
            return result.output
        error = result.error or {}
        raise ApplicationError(
            error.get("message") or f"the run ended {result.status}",
            {"execution_id": execution_id},
            type=error.get("code") or result.status,
            non_retryable=True,
        )

    async def _begin(self, call: GraphCall) -> str:
        begun: Begun = await workflow.execute_activity(
            BEGIN_CALL_ACTIVITY,
            CallRequest(call, workflow.info().first_execution_run_id),
            result_type=Begun,
            start_to_close_timeout=LIMIT,
            heartbeat_timeout=HEARTBEAT,
            retry_policy=RETRY,
            summary="begin the execution",
        )
        return begun.id_or_refusal()
