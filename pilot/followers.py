"""Which Temporal workflow waits for an execution's end, and how it is told.

Some executions are begun by a workflow that stays open until they end
(`workflows_def.following`): a time of a schedule, or a call from somebody else's workflow.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RPCError

from pilot.store import Execution
from pilot.triggers.schedules import Occurrence
from workflows_def.following import SIGNAL_ENDED

CALLED = "workflow"
"""The kind of what began an execution, in its `triggered_by`: a Temporal workflow."""
CALL_LIMIT = timedelta(seconds=5)


def called_by(workflow_id: str) -> str:
    """For an execution's `triggered_by`: the workflow `CallGraph` that began it."""
    return f"{CALLED}:{workflow_id}"


def follower_of(execution: Execution) -> str | None:
    """The id of the workflow that waits for the execution's end; None where there is none."""
    kind, _, workflow_id = (execution.triggered_by or "").partition(":")
    if kind == CALLED:
        return workflow_id
    occurrence = Occurrence.of_execution(execution)
    return None if occurrence is None else occurrence.workflow_id


async def tell_ended(client: Client, execution: Execution) -> None:
    """Tells the workflow that waits for the execution, if there is one, that it has ended. What
    fails is noticed later: the workflow looks for itself. Raises nothing of Temporal's."""
    workflow_id = follower_of(execution)
    if workflow_id is not None:
        await tell(client, workflow_id)


async def tell(client: Client, workflow_id: str) -> None:
    try:
        await client.get_workflow_handle(workflow_id).signal(SIGNAL_ENDED, rpc_timeout=CALL_LIMIT)
    except (RPCError, RuntimeError):
        return
