"""Cancels that nobody carried out: each API process looks after those of all users.

A cancel is noted in the row before Temporal is asked, so it outlives the request, the process
and an outage of Temporal. Every few seconds a pass looks at the open rows that have one:

| the run | what is done |
| --- | --- |
| Temporal was never asked to cancel it | it is asked now |
| cancelled, and a worker answers for it | left until the hard bound: nodes may be cleaning up |
| cancelled, and no worker answers | terminated in Temporal, and the row is closed |
| terminated or timed out already | the row is closed by what Temporal says |
| never began, or waits for a slot | the row is closed; a child's once its parent has ended |
| ended in any other way | left to the reconciler, which asks the run for its events |

Any number of processes may do so at once: a run is terminated once, and two that close a row
write the same events. What fails is done again by the next pass.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

from temporalio.client import WorkflowExecutionDescription, WorkflowQueryFailedError
from temporalio.service import RPCError

from api.parts import Parts
from api.runs import CALL_LIMIT, QUERY_LIMIT
from pilot import closing
from pilot.errors import PilotError
from pilot.events.model import Envelope
from pilot.followers import tell_ended
from pilot.graph.status import ExecutionStatus
from pilot.store import MAX_PAGE, Execution
from workflows_def.messages import CLEANUP_LIMIT_S

log = logging.getLogger(__name__)

TICK_S = 3.0
ROWS_A_PASS = 200
AT_ONCE = 20
SETTLED = timedelta(seconds=3)
"""A younger cancel is still on its way, in the request that noted it."""
START_GRACE = timedelta(seconds=10)
"""A queued row younger than this may have its start under way in another request."""
CLEANUP_S = CLEANUP_LIMIT_S + 60.0
"""How much longer than the bound a run may take for which a worker answers: the time of nodes
that clean up, and some heartbeats of what is under way before them."""


@asynccontextmanager
async def escalating(parts: Parts) -> AsyncIterator[None]:
    """Looks after cancels for as long as it is entered."""
    task = asyncio.create_task(Escalation(parts).run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def close(parts: Parts, row: Execution, ending: closing.Ending) -> None:
    """Closes the row of a run that Temporal does not run, and tells its watchers."""
    events = await closing.close(parts.store, row, ending, seen=parts.feed.last_seq(row.id))
    await parts.bus.publish([Envelope(row.owner, event) for event in events])
    await tell_ended(parts.runs.client, row)


async def close_unbegun(parts: Parts, row: Execution) -> None:
    """Closes the row of a run that Temporal was never asked for, as cancelled."""
    await close(parts, row, closing.NEVER_BEGUN)
    # a repetition of the request may have started it in between
    await parts.runs.cancel(row.id)


async def cancel_children(parts: Parts, row: Execution) -> None:
    """Notes the cancel of a run that could not pass it on for its children too: they have passes
    of their own."""
    for status in ExecutionStatus:
        if status.is_final:
            continue
        found = await parts.store.list_executions(
            row.owner, parent=row.id, status=status, limit=MAX_PAGE
        )
        for child in found.items:
            await parts.store.request_cancel(child.id, datetime.now(UTC))


class Escalation:
    """The passes of one process. `_asked` is when it passed a cancel on itself, by execution:
    a worker's time to answer counts from there."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._bound_s = parts.settings.pilot_cancel_escalate_s
        self._asked: dict[str, float] = {}

    async def run(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            try:
                await self.sweep()
            except PilotError as error:
                log.warning("cancels cannot be looked after: %s", error)
            except Exception:
                log.exception("a pass over the cancels failed")

    async def sweep(self) -> None:
        """One pass, over the cancels that have waited longest. Raises what the store does."""
        rows = await self._parts.store.overdue_cancels(
            before=datetime.now(UTC) - SETTLED, limit=ROWS_A_PASS
        )
        ids = {row.id for row in rows}
        self._asked = {id: at for id, at in self._asked.items() if id in ids}
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(row: Execution) -> None:
            async with limit:
                await self._row(row)

        outcomes = await asyncio.gather(*(one(row) for row in rows), return_exceptions=True)
        errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        if errors:  # mostly one and the same: Temporal does not answer
            log.warning("%d cancels have to wait: %r", len(errors), errors[0])

    async def _row(self, row: Execution) -> None:
        runs = self._parts.runs
        if row.is_held:
            await close(self._parts, row, closing.NEVER_BEGUN)
            return
        description = await runs.describe(row.id)
        if description is None:
            await self._absent(row)
        elif description.close_time is not None:
            if description.status in closing.MUTE:
                await self._close_ended(row, description)
        elif not _is_asked(description):
            if await runs.cancel(row.id):
                self._asked[row.id] = time.monotonic()
        else:
            await self._overdue(row, description)

    async def _absent(self, row: Execution) -> None:
        if row.temporal_run_id is not None or row.last_seq:
            return  # Temporal has lost it: the reconciler's to say
        if datetime.now(UTC) - row.due_at <= START_GRACE:
            return
        if not await closing.is_parents(self._parts.store, row):
            await close_unbegun(self._parts, row)

    async def _close_ended(self, row: Execution, description: WorkflowExecutionDescription) -> None:
        handle = self._parts.runs.handle(row.id)
        ending = await closing.verdict(handle, description, limit=CALL_LIMIT)
        await cancel_children(self._parts, row)
        # with a worker about the store gets all of the run, without one what it has is all
        with suppress(RPCError, WorkflowQueryFailedError):
            await closing.copy_events(self._parts.store, handle, row.id, limit=QUERY_LIMIT)
        await close(self._parts, row, ending)

    async def _overdue(self, row: Execution, description: WorkflowExecutionDescription) -> None:
        waited_s = self._waited_s(row)
        if waited_s <= self._bound_s:
            return
        reason = closing.NOT_ENDED
        if waited_s <= self._bound_s + CLEANUP_S:
            if await self._cleans_up(row) or await self._parts.runs.answers(row.id):
                return
            reason = closing.NO_WORKER
        log.warning("execution %s: %s", row.id, reason)
        assert description.run_id is not None
        if not await self._parts.runs.terminate(row.id, description.run_id, reason):
            return  # it has just ended: the next pass sees how
        await cancel_children(self._parts, row)
        if reason == closing.NOT_ENDED:
            with suppress(RPCError, WorkflowQueryFailedError):
                await closing.copy_events(
                    self._parts.store, self._parts.runs.handle(row.id), row.id, limit=QUERY_LIMIT
                )
        await close(self._parts, row, closing.escalated(reason))

    def _waited_s(self, row: Execution) -> float:
        assert row.cancel_requested_at is not None
        waited = (datetime.now(UTC) - row.cancel_requested_at).total_seconds()
        asked = self._asked.get(row.id)
        return waited if asked is None else min(waited, time.monotonic() - asked)

    async def _cleans_up(self, row: Execution) -> bool:
        """Whether the graph has nodes that run when it is cancelled: work that must not be cut
        short for a worker that is merely away."""
        version = await self._parts.store.get_version(
            row.owner, row.workflow_id, row.workflow_version
        )
        return any(node.get("on_cancel") for node in version.graph.get("nodes", []))


def _is_asked(description: WorkflowExecutionDescription) -> bool:
    return description.raw_description.workflow_extended_info.cancel_requested
