"""What an open run waits for, as Temporal describes it: another attempt, or a worker.

Nobody in a worker can tell of an attempt that died with its worker, nor of a run that no worker
takes up. So whoever shows a run asks Temporal: one call, limited in time, whose answer is shared
by all who ask within a second.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError, TimeoutType
from temporalio.exceptions import TimeoutError as TemporalTimeoutError
from temporalio.service import RPCError

from api.live.shared_calls import SharedCalls
from api.problems import Problem
from api.runs import Runs
from api.workers import Workers
from pilot.store import Execution
from workflows_def.dispatch import node_of

log = logging.getLogger(__name__)

FRESH_S = 1.0
LIMIT_S = 1.0
AWAY_S = 2.0
"""For so long nobody asks a Temporal that has just not answered."""
MAX_KNOWN = 5_000


@dataclass(frozen=True, slots=True)
class Retry:
    """A node whose attempt failed: `attempt` is the one that follows, `at` when it is due; None
    where it is under way. `error` is `{code, message}` of the one that failed."""

    node_id: str
    path: str
    attempt: int
    max_attempts: int
    error: dict[str, Any] | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Pending:
    """`no_worker_since` is set where the run has work to be done and no worker is there for it."""

    workflow_id: str
    retries: tuple[Retry, ...] = ()
    has_work: bool = False
    no_worker_since: datetime | None = None


class PendingRuns:
    def __init__(self, runs: Runs, workers: Workers) -> None:
        self._runs = runs
        self.workers = workers
        self._shared = SharedCalls()
        self._known: OrderedDict[str, tuple[float, Pending]] = OrderedDict()
        self._away_until = 0.0

    async def of_row(self, execution: Execution) -> Pending | None:
        """The same of a row; one that has ended, or may not begin yet, needs no asking."""
        if execution.status.is_final or execution.is_held:
            return None
        return await self.of(execution.id)

    async def of(self, execution_id: str) -> Pending | None:
        """What the open run waits for, at most a second old. None where it is not open, or
        where Temporal does not say in time."""
        if time.monotonic() < self._away_until:
            return None
        try:
            async with asyncio.timeout(LIMIT_S):
                pending = await self._described(execution_id)
                if pending is None or not pending.has_work:
                    return pending
                return replace(pending, no_worker_since=await self.workers.absent_since())
        except (Problem, RPCError, RuntimeError, TimeoutError) as error:
            log.debug("Temporal does not describe %s: %s", execution_id, error)
            self._away_until = time.monotonic() + AWAY_S
            return None

    async def _described(self, execution_id: str) -> Pending | None:
        known = self._known.get(execution_id)
        if known is not None and time.monotonic() < known[0] + FRESH_S:
            return known[1]
        pending: Pending | None = await self._shared(execution_id, lambda: self._ask(execution_id))
        if pending is not None:
            self._known[execution_id] = (time.monotonic(), pending)
            self._known.move_to_end(execution_id)
            if len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        return pending

    async def _ask(self, execution_id: str) -> Pending | None:
        described = await self._runs.describe(execution_id)
        if described is None or described.status is not WorkflowExecutionStatus.RUNNING:
            return None
        raw = described.raw_description
        activities = list(raw.pending_activities)
        retries = [await self._retry(one) for one in activities if one.attempt > 1]
        has_work = bool(activities) or raw.HasField("pending_workflow_task")
        workflow_id = await described.memo_value("workflow", "", type_hint=str)
        return Pending(workflow_id, tuple(retries), has_work)

    async def _retry(self, activity: PendingActivityInfo) -> Retry:
        node_id, path = node_of(activity.activity_id)
        due = activity.next_attempt_schedule_time
        return Retry(
            node_id=node_id,
            path=path,
            attempt=activity.attempt,
            max_attempts=activity.maximum_attempts,
            error=await self._error(activity),
            at=due.ToDatetime(UTC) if activity.HasField("next_attempt_schedule_time") else None,
        )

    async def _error(self, activity: PendingActivityInfo) -> dict[str, Any] | None:
        if not activity.HasField("last_failure"):
            return None
        cause = await self._runs.client.data_converter.decode_failure(activity.last_failure)
        if isinstance(cause, ApplicationError):
            return {"code": cause.type or "node_failed", "message": cause.message}
        if isinstance(cause, TemporalTimeoutError):
            if cause.type is TimeoutType.HEARTBEAT:
                return {"code": "worker_lost", "message": "the worker that ran this node was lost"}
            return {"code": "timeout", "message": "the attempt took longer than it may"}
        return {"code": "node_failed", "message": str(cause)}
