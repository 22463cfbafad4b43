"""Asking that all of an owner's be deleted, and how far that is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError, RPCStatusCode

from pilot.settings import Settings
from pilot.temporal import connect
from workflows_def.forget import FORGET_WORKFLOW, ForgetRequest, forget_workflow_id

CALL_LIMIT = timedelta(seconds=10)
POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class Deletion:
    """`status`: none (never asked for, or so long ago that Temporal has forgotten it), running,
    done, or failed (an operator ended it: ask again). `deleted` counts by kind once it is done."""

    status: str
    requested_at: datetime | None = None
    finished_at: datetime | None = None
    deleted: dict[str, int] = field(default_factory=dict)


async def forget(client: Client, task_queue: str, owner: str, *, limit: timedelta) -> None:
    """Starts the deletion, or finds the one that is under way. Raises `RPCError`."""
    await client.start_workflow(
        FORGET_WORKFLOW,
        ForgetRequest(owner),
        id=forget_workflow_id(owner),
        task_queue=task_queue,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary="deletes all of an owner's",
        rpc_timeout=limit,
    )


async def deletion(client: Client, owner: str, *, limit: timedelta) -> Deletion:
    """The last one that was asked for. Raises `RPCError`."""
    handle = client.get_workflow_handle(forget_workflow_id(owner), result_type=dict[str, int])
    try:
        found = await handle.describe(rpc_timeout=limit)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return Deletion("none")
        raise
    if found.close_time is None:
        return Deletion("running", found.start_time)
    if found.status is not WorkflowExecutionStatus.COMPLETED:
        return Deletion("failed", found.start_time, found.close_time)
    deleted: dict[str, int] = await handle.result(rpc_timeout=limit)
    return Deletion("done", found.start_time, found.close_time, deleted)


async def forget_and_wait(settings: Settings, owner: str, *, waits: bool) -> Deletion:
    """What the operator's command does. Raises `RPCError`."""
    client = await connect(settings)
    await forget(client, settings.temporal_task_queue, owner, limit=CALL_LIMIT)
    while True:
        found = await deletion(client, owner, limit=CALL_LIMIT)
        if not waits or found.status != "running":
            return found
        await asyncio.sleep(POLL_S)
