"""What an open run waits for, as Temporal describes it: another attempt, or a worker.

Nobody in a worker can tell of an attempt that died with its worker, nor of a run that no worker
takes up. So whoever shows a run asks Temporal: one call, limited in time, whose answer is shared
by all who ask within a second.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
MAX_ASKED = 5
"""Workflows of a run, itself and children that run bodies, that are asked of at once."""

Place = tuple[str, str]
"""A node's id, and its path."""


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
class NoWorker:
    """A task queue that no worker has polled since then, and the nodes that wait in it."""

    queue: str
    since: datetime
    nodes: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Pending:
    """`work` is what is to be done by task queue, also in the bodies of loops and maps: activities
    of nodes, and in the runs' own queue what the run itself has to do; `no_worker` are those of the
    queues that no worker polls. `retries` are the run's own nodes'."""

    workflow_id: str
    retries: tuple[Retry, ...] = ()
    work: Mapping[str, tuple[Place, ...]] = field(default_factory=dict)
    no_worker: tuple[NoWorker, ...] = ()


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
                return None if pending is None else await self._with_absent(pending)
        except (Problem, RPCError, RuntimeError, TimeoutError) as error:
            log.debug("Temporal does not describe %s: %s", execution_id, error)
            self._away_until = time.monotonic() + AWAY_S
            return None

    async def _with_absent(self, pending: Pending) -> Pending:
        found = []
        for queue, nodes in pending.work.items():
            since = await self.workers.absent_since(queue)
            if since is not None:
                found.append(NoWorker(queue, since, nodes))
        return replace(pending, no_worker=tuple(found))

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
        workflow_id = await described.memo_value("workflow", "", type_hint=str)
        retries: list[Retry] = []
        work: defaultdict[str, list[Place]] = defaultdict(list)
        inside = f"{described.id}/"  # not what its nodes call: those runs have rows of their own
        asked = [described.id]
        for at in asked:  # it grows
            found = described if at == described.id else await self._runs.describe_workflow(at)
            if found is None:
                continue  # it has just ended
            raw = found.raw_description
            children = [one.workflow_id for one in raw.pending_children]
            asked += [id for id in children if id.startswith(inside)][: MAX_ASKED - len(asked)]
            if raw.HasField("pending_workflow_task"):
                work[self.workers.own] += ()
            for one in raw.pending_activities:
                # a server that does not say where an activity is has no say in it
                queue = one.activity_options.task_queue.name or self.workers.own
                work[queue].append(node_of(one.activity_id))
                if one.attempt > 1 and found is described:
                    retries.append(await self._retry(one))
        return Pending(
            workflow_id,
            tuple(retries),
            {queue: tuple(places) for queue, places in work.items()},
        )

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
