"""The `workflow` node: another run, begun by this one.

A child is an execution as any other, with a row, events and a Temporal workflow of its own. Its
row is written by the node's activity, which also says what the run is; it is started from here, so
that Temporal knows whose child it is: a cancel of this run waits for the child's end, and one that
is terminated has its children cancelled.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import to_json
from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import (
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    FailureError,
    TerminatedError,
    TimeoutError,
    WorkflowAlreadyStartedError,
)

from pilot.graph.task import NodeResult
from workflows_def import labels
from workflows_def.messages import (
    SIGNAL_PAUSE,
    SIGNAL_RESUME,
    WORKFLOW_TYPE,
    ChildResult,
    RunInput,
)
from workflows_def.steps import FOLLOWS, Step
from workflows_def.undisturbed import undisturbed

Handle = workflow.ChildWorkflowHandle[Any, ChildResult]

_RUN = TypeAdapter(RunInput)

CHILD = "child_execution_id"
"""In the node's `meta`."""


async def run_child(step: Step) -> NodeResult:
    """The child's output; or its id, where it is not waited for. A child that fails, is cancelled
    or times out fails the node, by the child's own code where it has one."""
    # with the queues of this run, whatever the settings of the worker that prepared it
    run = replace(_RUN.validate_python(step.follow["run"]), queues=step.run.queues)
    waits = bool(step.follow["wait"])
    meta = {CHILD: run.execution_id}
    await step.pace.hand_over(len(to_json(run)))
    try:
        handle = await _start(step, run, waits)
        if not waits:
            return step.result({"execution_id": run.execution_id}, meta=meta)
        step.tell(**meta)
        result = await _end(step, handle)
    except (ChildWorkflowError, WorkflowAlreadyStartedError) as error:
        raise _failure(step, error, meta) from error
    return step.result(result.output, meta=meta | _spent(result.usage))


async def _start(step: Step, run: RunInput, waits: bool) -> Handle:
    known = workflow.info().typed_search_attributes.get(labels.STATUS) is not None
    close = workflow.ParentClosePolicy
    return await workflow.start_child_workflow(
        WORKFLOW_TYPE,
        run,
        id=step.follow["id"],
        result_type=ChildResult,
        cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
        parent_close_policy=close.REQUEST_CANCEL if waits else close.ABANDON,
        execution_timeout=labels.backstop(run.timeout_s),
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        static_summary=labels.summary(run),
        static_details=labels.description(run),
        memo=labels.memo(run),
        # a server that does not know the attributes refuses them
        search_attributes=labels.search_attributes(run) if known else None,
    )


async def _end(step: Step, handle: Handle) -> ChildResult:
    """The child's result. Meanwhile it is paused, and goes on, as this run does."""
    paused = False

    def is_to_go_on() -> bool:
        return handle.done() or step.held is not paused

    try:
        await workflow.wait_condition(is_to_go_on)
        while not handle.done():
            paused = step.held
            await _signal(handle, SIGNAL_PAUSE if paused else SIGNAL_RESUME)
            await workflow.wait_condition(is_to_go_on)
        return await handle
    except asyncio.CancelledError:
        handle.cancel()
        with suppress(FailureError, asyncio.CancelledError):
            await undisturbed(handle)
        raise


async def _signal(handle: Handle, name: str) -> None:
    with suppress(FailureError):  # it has just ended
        await handle.signal(name)


def _spent(usage: Any) -> dict[str, Any]:
    """As `meta` has it, from where it is added to the run's own."""
    return {"usage": usage} if usage and isinstance(usage, dict) else {}


def _failure(step: Step, error: FailureError, meta: dict[str, Any]) -> ApplicationError:
    cause = error.cause if isinstance(error, ChildWorkflowError) else error
    message, code = str(cause), "child_failed"
    match cause:
        case ApplicationError():
            message, code = cause.message, cause.type or code
            details = cause.details[0] if cause.details else None
            if isinstance(details, dict):
                meta = meta | _spent(details.get("usage"))
        case CancelledError():
            message, code = "the run that this node began was cancelled", "child_cancelled"
        case TerminatedError():
            message, code = "the run that this node began was terminated", "child_cancelled"
        case TimeoutError():
            message, code = "the run that this node began took longer than it may", "timed_out"
        case WorkflowAlreadyStartedError():
            message, code = "the run of this node has begun and ended before", "child_lost"
    return ApplicationError(
        message, {"meta": {**step.first.meta, **meta}}, type=code, non_retryable=True
    )


FOLLOWS["workflow"] = run_child
