"""Work that a Temporal Schedule has done again and again: a workflow a pass, never two at a time.

The first worker makes the schedule; `/health` reads what its last pass came to.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TypeVar

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

T = TypeVar("T")


def every(interval: timedelta, action: ScheduleActionStartWorkflow) -> Schedule:
    """A schedule that starts the workflow at each interval, unless the one before still runs."""
    return Schedule(
        action=action,
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=interval)]),
        policy=SchedulePolicy(
            overlap=ScheduleOverlapPolicy.SKIP,
            # what an outage missed is made up for by the next pass, not by one pass each
            catchup_window=timedelta(seconds=10),
        ),
    )


async def ensure(client: Client, schedule_id: str, schedule: Schedule) -> None:
    """Makes the schedule, or brings the one that is there up to date. Idempotent, and safe
    for workers that start side by side. Raises `RPCError`."""
    try:
        await client.create_schedule(schedule_id, schedule)
    except ScheduleAlreadyRunningError:

        def update(found: ScheduleUpdateInput) -> ScheduleUpdate | None:
            same = found.description.schedule.spec.intervals == schedule.spec.intervals
            # an operator's pause stays
            schedule.state = found.description.schedule.state
            return None if same else ScheduleUpdate(schedule)

        await client.get_schedule_handle(schedule_id).update(update)


async def last(client: Client, schedule_id: str, result: type[T], *, limit: timedelta) -> T | None:
    """The result of the newest pass that ended well among the last few; None where there is
    none yet. Raises `RPCError` for a server that does not answer."""
    handle = client.get_schedule_handle(schedule_id)
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
            action.workflow_id, result_type=result, run_id=action.first_execution_run_id
        )
        try:
            found: T = await workflow.result(rpc_timeout=limit)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                continue
            raise
        except WorkflowFailureError:
            continue  # that pass failed; the one before it says more
        return found
    return None
