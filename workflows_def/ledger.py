"""The iterations that have ended in a child of a loop or a map, until they are recorded.

They are written in batches, by an activity that asks the workflow for them by query, so that
nothing of them has to travel through its history.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import timedelta
from typing import Any

from pydantic_core import to_json
from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows_def.iterations import (
    RECALL_ITERATIONS_ACTIVITY,
    RECORD_ITERATIONS_ACTIVITY,
    IterationRow,
    IterationsPage,
    Recalled,
    RecalledPage,
    RecallIterations,
    RecordIterations,
    Within,
)
from workflows_def.messages import EVENTS_PAGE_BYTES, NodeState
from workflows_def.undisturbed import undisturbed

MAX_ROWS = 200
"""So many are recorded at once, and sooner where some have waited for long."""
MAX_WAIT_S = 5.0
TIMEOUT = timedelta(seconds=60)
HEARTBEAT = timedelta(seconds=10)
RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=500), maximum_interval=timedelta(seconds=30)
)
_KEPT_META = ("duration_ms", "usage", "usage_total", "status", "branch", "progress")


class Ledger:
    """Rows are numbered from 1, anew in each history. `least` of them at least are recorded at
    once, however long they have waited: each time costs some events of history."""

    def __init__(self, within: Within, *, least: int = 1) -> None:
        self._within = within
        self._least = least
        self._rows: list[IterationRow] = []
        self._recorded = 0
        self.is_kept = True
        """Whether the store has whatever was recorded: of a run without a row it has nothing."""
        self._task: asyncio.Task[None] | None = None
        self._last = workflow.time()

    def add(self, row: IterationRow) -> None:
        self._rows.append(row)
        if self._task is not None and not self._task.done():
            return
        waited = workflow.time() - self._last > MAX_WAIT_S and len(self._rows) >= self._least
        if waited or len(self._rows) >= MAX_ROWS:
            self._task = asyncio.create_task(self._record())

    async def flush(self) -> None:
        """Returns when all is recorded, whatever cancellation comes meanwhile."""
        if self._task is not None:
            await undisturbed(self._task)
        if self._rows:
            await undisturbed(asyncio.create_task(self._record()))

    def page(self, after: int) -> IterationsPage:
        """The rows after that number, as many as fit one answer but at least one."""
        rows: list[IterationRow] = []
        size = 0
        for row in self._rows[max(after - self._recorded, 0) :]:
            size += len(to_json(row))
            if rows and size > EVENTS_PAGE_BYTES:
                break
            rows.append(row)
        return IterationsPage(rows, max(after, self._recorded) + len(rows))

    async def _record(self) -> None:
        last = self._recorded + len(self._rows)
        self._last = workflow.time()
        within = self._within
        has_row = await workflow.execute_activity(
            RECORD_ITERATIONS_ACTIVITY,
            RecordIterations(
                within.run.execution_id, within.node.id, within.path, self._recorded, last
            ),
            start_to_close_timeout=TIMEOUT,
            heartbeat_timeout=HEARTBEAT,
            retry_policy=RETRY,
            summary="write ended iterations to the store",
        )
        self.is_kept = self.is_kept and has_row is True  # 0.3 does not say
        del self._rows[: last - self._recorded]
        self._recorded = last


async def recall(within: Within, first: int, end: int | None) -> list[Recalled]:
    """What has succeeded of these in the execution that is gone on from, by index."""
    if within.source is None:
        return []
    rows: list[Recalled] = []
    start: int | None = first
    while start is not None:
        page: RecalledPage = await workflow.execute_activity(
            RECALL_ITERATIONS_ACTIVITY,
            RecallIterations(
                within.run.user_id, within.source, within.node.id, within.path, start, end
            ),
            result_type=RecalledPage,
            start_to_close_timeout=TIMEOUT,
            retry_policy=RETRY,
            summary="read what another run recorded",
        )
        rows += page.rows
        start = page.next
    return rows


def key_of(given: Any) -> str:
    """Tells whether an iteration was given the same."""
    text = json.dumps(given, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def in_short(nodes: list[NodeState]) -> list[dict[str, Any]]:
    """A body's nodes as they are recorded: without their outputs."""
    short = []
    for node in nodes:
        body = {
            "id": node.id,
            "type": node.type,
            "status": node.status,
            "path": node.path,
            "reason": node.reason,
            "attempt": node.attempt,
            "started_at": node.started_at,
            "finished_at": node.finished_at,
            "error": node.error,
            "meta": {name: node.meta[name] for name in _KEPT_META if name in node.meta},
        }
        short.append({name: value for name, value in body.items() if value not in (None, "", {})})
    return short
