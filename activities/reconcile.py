"""reconcile_page: compares open rows of the store with Temporal, and repairs the row.

| the row | Temporal | what is done |
| --- | --- | --- |
| held: it waits for a slot | is not asked | released and started, if there is one |
| held, asked to cancel | is not asked | cancelled |
| queued, asked to cancel | knows no such run | cancelled |
| queued, was held before | knows no such run | the run is started |
| queued, a child whose parent is open | knows no such run | left to its parent, to be started |
| queued, a child whose parent ended | knows no such run | cancelled |
| queued, with an idempotency key | knows no such run | the run is started |
| queued, without a key | knows no such run | failed: `never_started` |
| open | completed, failed or cancelled | the events that the store lacks are fetched |
| open | terminated | cancelled: `terminated`, or `cancel_escalated` |
| open | it, or a child, fails its workflow task for a day | failed: `workflow_task_failing` |
| open | ended by the server for its size | failed: `history_limit` |
| open | timed out | timed out |
| running | knows no such run any more | failed: `history_lost` |

A client that sent a key repeats its request and gets this execution, so it may be started late,
and so may one whose run was held: it was told to wait. One that sent no key has been told of a
failure and may have tried again.

While the payload store is away, or was lately, no run fails for a workflow task that does.

All repairs are events with the next `seq`, so doing one twice changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from temporalio import activity
from temporalio.api.workflow.v1 import PendingWorkflowTaskInfo
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowHandle,
    WorkflowQueryFailedError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.scheduled import ScheduleKeeper
from activities.slots import CALL_LIMIT, Slots
from pilot import closing, metrics
from pilot.errors import PayloadStoreError, PilotError
from pilot.events.model import rfc3339
from pilot.followers import tell_ended
from pilot.payloads.objects import Objects
from pilot.store import Execution, Store
from workflows_def.iterations import ITEMS_TYPE, LOOP_TYPE
from workflows_def.reconcile import RECONCILE_ACTIVITY, ReconcilePage, ReconcileRequest

log = logging.getLogger(__name__)

QUERY_LIMIT = timedelta(seconds=10)
AT_ONCE = 10
"""Rows of a page that are looked at side by side."""

SETTLED = timedelta(seconds=30)
"""Younger rows are left alone: the request that writes them is still under way."""
PATIENCE = timedelta(minutes=5)
"""How long a terminated run is asked for its events before it is closed without them."""
STUCK_ATTEMPTS = 5
"""So often a workflow task is tried before the run counts as stuck: a dying worker costs one or
two. It is tried on, with pauses up to ten minutes, and goes on when a release comes that can."""
STUCK_LIMIT = timedelta(days=1)
"""How long that is awaited."""
LONGEST_PAUSE = timedelta(minutes=15)
"""Within it Temporal tries each failing workflow task again, with some room."""
INNER_TYPES = frozenset({ITEMS_TYPE, LOOP_TYPE})
MAX_CHILDREN = 10
"""Of a workflow, that are looked at in one pass: code that does not fit, fits none of them."""
START_GRACE = timedelta(seconds=60)
"""A queued row younger than this may yet be started by its own request."""


_LEFT_ALONE = (
    RPCError,
    PilotError,
    ApplicationError,  # the payload store's driver
    WorkflowQueryFailedError,
)
"""Rows that cannot be compared now: the next pass does."""

Handle = WorkflowHandle[Any, Any]
_STUCK = "stuck"

_HISTORY_LOST = closing.failed(
    "history_lost", "Temporal no longer knows this run, and its end was never recorded"
)
_NEVER_STARTED = closing.failed(
    "never_started", "the request that wrote this execution died before it was started"
)


class Reconciler:
    """The activity, with what it compares."""

    def __init__(
        self,
        store: Store,
        client: Client,
        slots: Slots,
        keeper: ScheduleKeeper | None = None,
        objects: Objects | None = None,
    ) -> None:
        self._store = store
        self._client = client
        self._slots = slots
        self._keeper = keeper
        self._objects = objects
        self._begun_at = datetime.now(UTC)
        self._away_at: datetime | None = None
        """When the payload store was last found away."""

    @activity.defn(name=RECONCILE_ACTIVITY)
    async def reconcile(self, request: ReconcileRequest) -> ReconcilePage:
        before = datetime.now(UTC) - SETTLED
        page = await self._store.open_executions(
            before=before, cursor=request.cursor, limit=request.rows
        )
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(row: Execution) -> str | None:
            async with limit:
                return await self._row(row)

        outcomes = await asyncio.gather(*(one(row) for row in page.items), return_exceptions=True)
        repaired: Counter[str] = Counter()
        differing: list[Execution] = []
        stuck = 0
        for row, outcome in zip(page.items, outcomes, strict=True):
            if isinstance(outcome, _LEFT_ALONE):
                log.warning("execution %s could not be reconciled: %s", row.id, outcome)
                differing.append(row)
            elif isinstance(outcome, BaseException):
                raise outcome
            elif outcome == _STUCK:
                stuck += 1
            elif outcome is not None:
                log.info("execution %s was repaired: %s", row.id, outcome)
                repaired[outcome] += 1
        metrics.current().repaired(repaired)
        if request.releases:
            await self._release()
        if request.cursor is None:
            await self._keep()
        oldest = min((row.created_at for row in differing), default=None)
        oldest_open = min((row.created_at for row in page.items), default=None)
        return ReconcilePage(
            cursor=page.next_cursor,
            checked=len(page.items),
            repaired=dict(repaired),
            failed=len(differing),
            stuck=stuck,
            oldest_failed_at=rfc3339(oldest) if oldest else None,
            oldest_open_at=rfc3339(oldest_open) if oldest_open else None,
        )

    async def _release(self) -> None:
        """Starts what is held without need: what had its slot ended without a worker's help."""
        if count := await self._slots.fill_all():
            log.info("%d executions that waited for a slot were started", count)

    async def _keep(self) -> None:
        if self._keeper is None:
            return
        try:
            count = await self._keeper.keep()
        except (RPCError, PilotError) as error:
            log.warning("schedules could not be reconciled: %s", error)
        else:
            if count:
                log.info("%d schedules were brought in line with their rows", count)

    async def _row(self, row: Execution) -> str | None:
        """Brings one row in line. The kind of repair, None where there was none to make."""
        if row.is_held:
            if row.cancel_requested_at is not None:
                return await self._close(row, closing.NEVER_BEGUN)
            return None
        handle = self._client.get_workflow_handle(row.temporal_workflow_id)
        try:
            description = await handle.describe(rpc_timeout=CALL_LIMIT)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return await self._absent(row)
        if row.temporal_run_id is None:
            await self._store.set_temporal_run(row.id, description.run_id)
        if description.close_time is None:
            return await self._stuck(row, handle, description)
        try:
            await closing.copy_events(self._store, handle, row.id, limit=QUERY_LIMIT)
        except WorkflowQueryFailedError as error:
            if await self._is_payload_store_away():
                raise
            log.warning("the events of execution %s cannot be asked: %s", row.id, error)
        except RPCError as error:
            # a history at its limit may take longer to replay than a query may
            is_young = datetime.now(UTC) - description.close_time < PATIENCE
            if is_young or description.status not in closing.MUTE:
                raise
            log.warning("the events of execution %s cannot be asked: %s", row.id, error)
        if (await self._fresh(row)).status.is_final:
            await tell_ended(self._client, row)
            return "events_fetched"
        return await self._close(row, await closing.verdict(handle, description, limit=CALL_LIMIT))

    async def _stuck(
        self, row: Execution, handle: Handle, description: WorkflowExecutionDescription
    ) -> str | None:
        """An open run's workflow task may fail each time it is tried: the code of now does not
        fit the run's history. That is told as an error, and ended after a day."""
        task = await self._failing_task(description)
        if task is None:
            return None
        since = task.original_scheduled_time.ToDatetime(tzinfo=UTC)
        log.error(
            "the workflow task of execution %s has failed %d times since %s: this release may "
            "not be able to go on with it",
            row.id,
            task.attempt - 1,
            rfc3339(since),
        )
        if datetime.now(UTC) - since < STUCK_LIMIT or await self._may_lack_payloads():
            return _STUCK
        await handle.terminate(closing.STUCK, rpc_timeout=CALL_LIMIT)
        return await self._close(row, closing.termination(closing.STUCK))

    async def _may_lack_payloads(self) -> bool:
        """Whether a workflow task may have failed only because the payload store was away when it
        was last tried. Whether it was before this worker began, nobody knows."""
        if self._objects is None:
            return False
        if await self._is_payload_store_away():
            return True
        last = self._away_at or self._begun_at
        return datetime.now(UTC) - last < LONGEST_PAUSE

    async def _is_payload_store_away(self) -> bool:
        if self._objects is None:
            return False
        try:
            await self._objects.ping()
        except PayloadStoreError:
            self._away_at = datetime.now(UTC)
            return True
        return False

    async def _failing_task(
        self, description: WorkflowExecutionDescription
    ) -> PendingWorkflowTaskInfo | None:
        """The workflow task that keeps failing: the run's own, or that of a child in which the body
        of a loop or a map runs, which has no row."""
        raw = description.raw_description
        if raw.pending_workflow_task.attempt >= STUCK_ATTEMPTS:
            return raw.pending_workflow_task
        inner = [one for one in raw.pending_children if one.workflow_type_name in INNER_TYPES]
        for child in inner[:MAX_CHILDREN]:
            handle = self._client.get_workflow_handle(child.workflow_id)
            try:
                found = await self._failing_task(await handle.describe(rpc_timeout=CALL_LIMIT))
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                continue
            if found is not None:
                return found
        return None

    async def _absent(self, row: Execution) -> str | None:
        if row.temporal_run_id is not None or row.last_seq:
            return await self._close(row, _HISTORY_LOST)
        if datetime.now(UTC) - row.due_at < START_GRACE:
            return None
        if await closing.is_parents(self._store, row):
            return None
        if row.cancel_requested_at is not None:
            return await self._close(row, closing.NEVER_BEGUN)
        if row.parent is not None:
            return await self._close(row, closing.NEVER_BEGUN_BY_PARENT)
        if row.released_at is not None or UUID(row.id).version == 5:
            return await self._start(row)
        return await self._close(row, _NEVER_STARTED)

    async def _start(self, row: Execution) -> str:
        # a row of a list comes without its input
        await self._slots.begin(await self._fresh(row))
        return "started"

    async def _fresh(self, row: Execution) -> Execution:
        return await self._store.get_execution(row.owner, row.id)

    async def _close(self, row: Execution, ending: closing.Ending) -> str:
        await closing.close_and_tell(self._store, row, ending)
        await tell_ended(self._client, row)
        return ending.code
