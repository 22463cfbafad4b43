"""The Temporal Schedule of the reconciler: made by the first worker, read by `/health`."""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import Client, ScheduleActionStartWorkflow

from pilot import passes
from workflows_def.reconcile import RECONCILE_WORKFLOW, SCHEDULE_ID, ReconcileResult

PASS_LIMIT = timedelta(minutes=10)


async def ensure_schedule(client: Client, task_queue: str, every: timedelta) -> None:
    """Idempotent. Raises `RPCError`."""
    action = ScheduleActionStartWorkflow(
        RECONCILE_WORKFLOW,
        id=SCHEDULE_ID,
        task_queue=task_queue,
        execution_timeout=PASS_LIMIT,
        static_summary="compares open executions with Temporal",
    )
    await passes.ensure(client, SCHEDULE_ID, passes.every(every, action))


async def last_pass(client: Client, *, limit: timedelta) -> ReconcileResult | None:
    """What the newest pass came to; None before the first. Raises `RPCError`."""
    return await passes.last(client, SCHEDULE_ID, ReconcileResult, limit=limit)
