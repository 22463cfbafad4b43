"""Decisions about executions that exist: reading, waiting, cancelling, pausing."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from datetime import UTC, date, datetime

from api.days import begin_of, end_of
from api.executions import escalation
from api.executions.resource import execution_out, summary_out
from api.executions.schemas import ExecutionOut, ExecutionSummaryOut
from api.pagination import PageOut, PageQuery
from api.parts import Parts
from api.problems import Problem
from pilot import closing
from pilot.errors import NotFoundError
from pilot.graph.status import ExecutionStatus
from pilot.store import Execution
from workflows_def.messages import SIGNAL_PAUSE, SIGNAL_RESUME

log = logging.getLogger(__name__)

CATCH_UP_S = 3.0
"""How long a read waits for the store to hold what watchers have been told already."""
POLL_S = 0.02
SLOW_POLL_S = 0.5
CANCEL_ALL_S = 10.0
"""How long deleting a workflow waits for its executions to end."""


async def read(parts: Parts, owner: str, execution_id: str) -> ExecutionOut:
    return await shown(parts, await current(parts, owner, execution_id))


async def read_body(parts: Parts, owner: str, execution_id: str) -> bytes:
    """The resource as JSON; of one that has ended as it was read before."""
    kept = await parts.finished.get(execution_id)
    if kept is not None:
        return kept
    row = await current(parts, owner, execution_id)
    body = (await shown(parts, row)).model_dump_json().encode()
    if row.status.is_final:
        await parts.finished.put(execution_id, body)
    return body


async def shown(parts: Parts, execution: Execution) -> ExecutionOut:
    """The resource; of an open run also what it waits for, where Temporal says so in time."""
    pending = await parts.pending.of_row(execution)
    return await execution_out(parts.store, parts.settings, execution, pending)


async def current(parts: Parts, owner: str, execution_id: str) -> Execution:
    """The row, not older than what the live feed has said of the execution: whoever saw
    `execution.succeeded` on the WebSocket never reads `running` afterwards."""
    deadline = time.monotonic() + CATCH_UP_S
    while True:
        row = await parts.store.get_execution(owner, execution_id)
        seen = parts.feed.last_seq(execution_id)
        if row.status.is_final or row.last_seq >= seen or time.monotonic() > deadline:
            return row
        await asyncio.sleep(POLL_S)


async def listing(
    parts: Parts,
    owner: str,
    page: PageQuery,
    workflow_id: str | None,
    status: ExecutionStatus | None,
    parent: str | None,
    first: date | None = None,
    last: date | None = None,
) -> PageOut[ExecutionSummaryOut]:
    found = await parts.store.list_executions(
        owner,
        workflow_id=workflow_id,
        status=status,
        parent=parent,
        first=None if first is None else begin_of(first),
        last=None if last is None else end_of(last),
        limit=page.limit,
        cursor=page.cursor,
    )
    return PageOut.model_construct(
        items=[summary_out(parts.settings, item) for item in found.items],
        next_cursor=found.next_cursor,
    )


async def wait(parts: Parts, owner: str, execution_id: str, seconds: float) -> Execution:
    """The row as soon as it is final, or as it is when the time is up."""
    deadline = time.monotonic() + seconds
    with parts.feed.ending(owner, execution_id) as ended:
        while True:
            row = await current(parts, owner, execution_id)
            left = deadline - time.monotonic()
            if row.status.is_final or left <= 0:
                return row
            if ended.is_set():  # the store is about to have it
                await asyncio.sleep(POLL_S)
                continue
            try:
                async with asyncio.timeout(min(left, SLOW_POLL_S)):
                    await ended.wait()
            except TimeoutError:
                continue


async def cancel(parts: Parts, owner: str, execution_id: str) -> ExecutionOut:
    """Asks a run to end; it says `cancelled` when its nodes have ended. Idempotent.

    The request is noted first. From then on it is carried out, whatever becomes of this process
    and of Temporal: `api.executions.escalation` sees to it.
    """
    row = await current(parts, owner, execution_id)
    _require_open(row)
    await parts.store.request_cancel(row.id, datetime.now(UTC))
    row = await parts.store.get_execution(owner, row.id)
    if row.is_held:  # and no longer released, now that the cancel is noted
        await escalation.close(parts, row, closing.NEVER_BEGUN)
        if row.start_at is not None:
            with suppress(Problem):  # a clock that goes on finds nothing to start
                await parts.runs.stop_clock(row.id)
        return await read(parts, owner, execution_id)
    try:
        if not await parts.runs.cancel(row.id):
            await _cancel_absent(parts, row)
    except Problem as problem:
        if problem.status_code != 503:
            raise
        log.warning("the cancel of execution %s waits for Temporal: %s", row.id, problem.code)
    return await read(parts, owner, execution_id)


async def _cancel_absent(parts: Parts, row: Execution) -> None:
    if row.temporal_run_id or row.last_seq or await parts.runs.exists(row.id):
        raise _already_finished(row.id)
    # a younger row may have its start under way in another request: it is looked at again
    if row.parent is None and datetime.now(UTC) - row.due_at > escalation.START_GRACE:
        await escalation.close_unbegun(parts, row)


async def cancel_all(parts: Parts, owner: str, workflow_id: str) -> None:
    """Cancels a workflow's open executions, and waits a while for them to end.

    Those that are still ending when the time is up keep the workflow from being deleted: the
    caller asks again.
    """
    await parts.store.get_workflow(owner, workflow_id)
    deadline = time.monotonic() + CANCEL_ALL_S
    while rows := await _open_of(parts, owner, workflow_id):
        for row in rows:
            try:
                await cancel(parts, owner, row.id)
            except Problem as problem:
                if problem.code != "already_finished":  # it has just ended
                    raise
        if time.monotonic() > deadline:
            return
        await asyncio.sleep(SLOW_POLL_S)


async def _open_of(parts: Parts, owner: str, workflow_id: str) -> list[Execution]:
    """A page of the workflow's executions in each open state."""
    pages = [
        await parts.store.list_executions(owner, workflow_id=workflow_id, status=status)
        for status in ExecutionStatus
        if not status.is_final
    ]
    return [row for page in pages for row in page.items]


async def pause(parts: Parts, owner: str, execution_id: str) -> ExecutionOut:
    """No further node starts; those that run go on to their end. Idempotent."""
    return await _signal(parts, owner, execution_id, SIGNAL_PAUSE)


async def resume(parts: Parts, owner: str, execution_id: str) -> ExecutionOut:
    return await _signal(parts, owner, execution_id, SIGNAL_RESUME)


async def _signal(parts: Parts, owner: str, execution_id: str, name: str) -> ExecutionOut:
    row = await current(parts, owner, execution_id)
    _require_open(row)
    if not await parts.runs.signal(row.id, name):
        if row.temporal_run_id or row.last_seq or await parts.runs.exists(row.id):
            raise _already_finished(row.id)
        raise Problem(409, "not_started", "The run has not started yet.")
    return await read(parts, owner, execution_id)


async def delete(parts: Parts, owner: str, execution_id: str) -> None:
    """Deletes an execution that has ended: first what Temporal and the payload store have of it,
    so that a request that is cut short can be repeated.

    Raises `ConflictError` (`execution_open`).
    """
    row = await parts.store.get_execution(owner, execution_id)
    if row.status.is_final:
        await parts.runs.delete(row.id)
        if parts.objects is not None:
            await parts.objects.forget(row.id)
    if not await parts.store.retention.delete_execution(owner, row.id):
        raise NotFoundError(f"there is no execution {row.id}")
    await parts.finished.forget(row.id)


def _require_open(row: Execution) -> None:
    if row.status.is_final:
        raise _already_finished(row.id)


def _already_finished(execution_id: str) -> Problem:
    return Problem(409, "already_finished", f"Execution {execution_id} has finished.")
