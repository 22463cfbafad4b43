"""A worker that asks `tests.faults.outside` before it begins a node and before it reports one.

`python -m tests.faults.held_worker`. It is the worker of `worker.py` with two questions around
each activity; the answer may wait, and the process be killed meanwhile. So a kill hits exactly
the chosen point, of local activities too, which nothing outside can see.
"""

from __future__ import annotations

import functools
import os
import sys
from typing import Any

import httpx
from temporalio import activity

import worker
from activities import attempt, stretch
from activities.heartbeats import heartbeats
from activities.record import Recorder
from pilot import plugin
from pilot.graph.task import NodeResult, NodeTask
from workflows_def.messages import RECORD_ACTIVITY, RecordRequest, RecordResult

OUTSIDE_URL = "PILOT_TEST_OUTSIDE"

_NO_LIMITS = httpx.Limits(max_connections=None)
_run_attempt = attempt._attempt


@functools.cache
def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=os.environ[OUTSIDE_URL], timeout=None, limits=_NO_LIMITS)


async def _ask(execution_id: str, place: str, phase: str) -> None:
    path = f"/at/{execution_id}/{place}/{phase}"
    (await _client().post(path, params={"pid": os.getpid()})).raise_for_status()


async def _held_attempt(task: NodeTask, config: Any, run: Any) -> NodeResult:
    place = f"{task.node_id}.{task.round}" if task.round else task.node_id
    async with heartbeats():
        await _ask(task.execution_id, place, "before")
    result = await _run_attempt(task, config, run)
    async with heartbeats():
        await _ask(task.execution_id, place, "after")
    return result


class HeldRecorder(Recorder):
    @activity.defn(name=RECORD_ACTIVITY)
    async def record(self, request: RecordRequest) -> RecordResult:
        await _ask(request.execution_id, "record", "before")
        result = await super().record(request)
        await _ask(request.execution_id, "record", "after")
        return result


if __name__ == "__main__":
    attempt._attempt = _held_attempt
    stretch.BUDGET_S = 25.0  # to be held is not to be slow
    plugin.Recorder = HeldRecorder  # type: ignore[misc]
    sys.exit(worker.main())
