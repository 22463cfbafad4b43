"""The Temporal Schedule of the reconciler: made by the first worker, read by `/health`."""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
    WorkflowFailureError,
)
from temporalio.service import RPCError, RPCStatusCode

from workflows_def.reconcile import RECONCILE_WORKFLOW, SCHEDULE_ID, ReconcileResult

PASS_LIMIT = timedelta(minutes=10)


def _schedule(task_queue: str, every: timedelta) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            RECONCILE_WORKFLOW,
            id=SCHEDULE_ID,
            task_queue=task_queue,
            execution_timeout=PASS_LIMIT,
            static_summary="compares open executions with Temporal",
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        policy=SchedulePolicy(
            overlap=ScheduleOverlapPolicy.SKIP,
            # what an outage missed is made up for by the next pass, not by one pass each
            catchup_window=timedelta(seconds=10),
        ),
    )


async def ensure_schedule(client: Client, task_queue: str, every: timedelta) -> None:
    """Makes the schedule, or brings the one that is there up to date. Idempotent, and safe
    for workers that start side by side. Raises `RPCError`."""
    schedule = _schedule(task_queue, every)
    try:
        await client.create_schedule(SCHEDULE_ID, schedule)
    except ScheduleAlreadyRunningError:

        def update(found: ScheduleUpdateInput) -> ScheduleUpdate | None:
            same = found.description.schedule.spec.intervals == schedule.spec.intervals
            # an operator's pause stays
            schedule.state = found.description.schedule.state
            return None if same else ScheduleUpdate(schedule)

        await client.get_schedule_handle(SCHEDULE_ID).update(update)


async def last_pass(client: Client, *, limit: timedelta) -> ReconcileResult | None:
    """The result of the newest pass that ended well among the last few; None where there is
    none yet. Raises `RPCError` for a server that does not answer."""
    handle = client.get_schedule_handle(SCHEDULE_ID)
    try:
        description = await handle.describe(rpc_timeout=limit)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    running = {
        action.workflow_id
        for action in description.info.running_actions
        if isinstance(action, ScheduleActionExecutionStartWorkflow)
    }
    for recent in reversed(description.info.recent_actions):
        action = recent.action
        if (
            not isinstance(action, ScheduleActionExecutionStartWorkflow)
            or action.workflow_id in running
        ):
            continue
        workflow = client.get_workflow_handle(
            action.workflow_id, result_type=ReconcileResult, run_id=action.first_execution_run_id
        )
        try:
            result: ReconcileResult = await workflow.result(rpc_timeout=limit)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                continue
            raise
        except WorkflowFailureError:
            continue  # that pass failed; the one before it says more
        return result
    return None
