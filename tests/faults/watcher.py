"""A watcher of all of a user's runs, by one WebSocket that was open before they began, and what
a run's events must be in the end: the same for the watcher, the store and Temporal."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError
from websockets.exceptions import ConnectionClosed

from tests.faults.view import View, node_states
from tests.stack import FINAL, Served
from workflows_def.messages import QUERY_EVENTS, EventsPage

CLOSED_AS = {
    "succeeded": WorkflowExecutionStatus.COMPLETED,
    "failed": WorkflowExecutionStatus.FAILED,
    "cancelled": WorkflowExecutionStatus.CANCELED,
}

TOLD_WITHIN_S = 60
"""A watcher is told of the end as it is stored; where the bus failed, by comparison."""


class Watcher:
    """`views` are what it knows of each execution, `wrong` what came that was not due, `times`
    when durable events came (monotonic seconds)."""

    def __init__(self) -> None:
        self.views: defaultdict[str, View] = defaultdict(View)
        self.wrong: defaultdict[str, list[str]] = defaultdict(list)
        self.times: defaultdict[str, list[float]] = defaultdict(list)

    def take(self, event: dict[str, Any]) -> None:
        if "seq" in event:
            try:
                self.views[event["execution_id"]].take(event)
            except AssertionError as error:
                self.wrong[event["execution_id"]].append(str(error))
            self.times[event["execution_id"]].append(time.monotonic())

    def ended(self, execution_id: str) -> bool:
        kind, _, status = (self.views[execution_id].events or [{"type": ""}])[-1]["type"].partition(
            "."
        )
        return kind == "execution" and status in FINAL

    def progress_after(self, execution_id: str, moment: float) -> float | None:
        """Seconds from `moment` to the run's next event; None where none came."""
        return min((at - moment for at in self.times[execution_id] if at > moment), default=None)


@asynccontextmanager
async def watching(served: Served, user: str = "tester") -> AsyncIterator[Watcher]:
    watcher = Watcher()
    async with served.events(user) as socket:

        async def read() -> None:
            with suppress(ConnectionClosed):
                async for message in socket:
                    watcher.take(json.loads(message))

        reading = asyncio.create_task(read())
        try:
            yield watcher
        finally:
            reading.cancel()


async def stored_events(client: httpx.AsyncClient, execution_id: str) -> list[dict[str, Any]]:
    """The events of the events endpoint, up to the last."""
    events = []
    async with client.stream("GET", f"/api/v1/executions/{execution_id}/events") as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: "):
                event = json.loads(line.removeprefix("data: "))
                if "seq" in event:
                    events.append(event)
    return events


async def true_events(
    temporal: Client, execution_id: str, within_s: float = 60
) -> list[dict[str, Any]]:
    """The events that the workflow itself lists, as soon as there is a worker to ask."""
    handle = temporal.get_workflow_handle(f"execution-{execution_id}")
    events: list[dict[str, Any]] = []
    deadline = time.monotonic() + within_s
    while True:
        try:
            page = await handle.query(QUERY_EVENTS, len(events), result_type=EventsPage)
        except RPCError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.5)
            continue
        events += page.events
        if not page.more:
            return events


def timeless(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "at"}


def same(who: str, told: Iterable[Any], truth: Iterable[Any]) -> None:
    """The first difference is enough to know."""
    for place, (one, other) in enumerate(itertools.zip_longest(told, truth), start=1):
        assert one == other, f"event {place}: {who} has {one}, the run {other}"


async def closed(
    temporal: Client, execution_id: str, within_s: float = 60
) -> WorkflowExecutionStatus:
    """How the run was closed, which is after its row said so."""
    handle = temporal.get_workflow_handle(f"execution-{execution_id}")
    async with asyncio.timeout(within_s):
        while True:
            status = (await handle.describe()).status
            assert status is not None
            if status is not WorkflowExecutionStatus.RUNNING:
                return status
            await asyncio.sleep(0.2)


async def check_truth(
    watcher: Watcher, client: httpx.AsyncClient, temporal: Client, execution: dict[str, Any]
) -> list[dict[str, Any]]:
    """The watcher has every event once and in order, and believes nothing else; what is stored is
    what Temporal says, and that is given back."""
    execution_id = execution["id"]
    status = await closed(temporal, execution_id)
    assert status is CLOSED_AS[execution["status"]], (execution_id, status)
    truth = await true_events(temporal, execution_id)
    with suppress(TimeoutError):  # then what it lacks is said below
        async with asyncio.timeout(TOLD_WITHIN_S):
            while not watcher.ended(execution_id):
                await asyncio.sleep(0.02)
    assert not watcher.wrong[execution_id], (execution_id, watcher.wrong[execution_id])
    view = watcher.views[execution_id]
    assert view.last_seq == len(truth), (execution_id, view.last_seq, len(truth))
    assert not (difference := view.difference(truth)), f"{execution_id}: a watcher: {difference}"
    # a busy worker's clock of a workflow task is not quite the same when it is replayed
    rest = truth[view.begins_after :]
    same("a watcher", map(timeless, view.events), map(timeless, rest))
    stored = await stored_events(client, execution_id)
    same("the store", map(timeless, stored), map(timeless, truth))
    ends = node_states(truth)
    shown = {(node["id"], node.get("path") or ""): node["status"] for node in execution["nodes"]}
    assert shown == ends, f"{execution_id}: {shown} is not {ends}"
    last = truth[-1]
    assert last["status"] == execution["status"], execution_id
    assert last["data"].get("output") == execution["output"], execution_id
    return truth
