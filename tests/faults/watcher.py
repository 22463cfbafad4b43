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
from websockets.exceptions import ConnectionClosed

from tests.stack import FINAL, Served
from workflows_def.messages import QUERY_EVENTS, EventsPage

CLOSED_AS = {
    "succeeded": WorkflowExecutionStatus.COMPLETED,
    "failed": WorkflowExecutionStatus.FAILED,
    "cancelled": WorkflowExecutionStatus.CANCELED,
}


class Watcher:
    """`seen` are an execution's durable events in the order of their arrival, `times` when they
    came (monotonic seconds)."""

    def __init__(self) -> None:
        self.seen: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self.times: defaultdict[str, list[float]] = defaultdict(list)

    def take(self, event: dict[str, Any]) -> None:
        if "seq" in event:
            self.seen[event["execution_id"]].append(event)
            self.times[event["execution_id"]].append(time.monotonic())

    def ended(self, execution_id: str) -> bool:
        kind, _, status = (self.seen[execution_id] or [{"type": ""}])[-1]["type"].partition(".")
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


async def true_events(temporal: Client, execution_id: str) -> list[dict[str, Any]]:
    """The events that the workflow itself lists."""
    handle = temporal.get_workflow_handle(f"execution-{execution_id}")
    events: list[dict[str, Any]] = []
    while True:
        page = await handle.query(QUERY_EVENTS, len(events), result_type=EventsPage)
        events += page.events
        if not page.more:
            return events


def what(event: dict[str, Any]) -> tuple[str, str, str]:
    """An event without its times and data."""
    return event["type"], event.get("node_id", ""), event.get("path", "")


def timeless(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "at"}


def was_retold(watcher: Watcher, execution_id: str, truth: list[dict[str, Any]]) -> bool:
    """Whether the watcher saw events of a lost workflow task that were others when it was done
    again: nothing but the task's end makes them true."""
    return [what(event) for event in watcher.seen[execution_id]] != [what(event) for event in truth]


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
    """The watcher saw every event once and in order; what is stored is what Temporal says, and
    that is given back."""
    execution_id = execution["id"]
    status = await closed(temporal, execution_id)
    assert status is CLOSED_AS[execution["status"]], (execution_id, status)
    truth = await true_events(temporal, execution_id)
    seqs = [event["seq"] for event in watcher.seen[execution_id]]
    assert seqs == list(range(1, len(truth) + 1)), (execution_id, seqs, len(truth))
    # a workflow's clock is not the same to the millisecond when it is replayed
    stored = await stored_events(client, execution_id)
    same("the store", map(timeless, stored), map(timeless, truth))
    ends: dict[tuple[str, str], str] = {}
    for event in truth:
        if event["type"].startswith("node."):
            ends[event["node_id"], event.get("path", "")] = event["status"]
    shown = {(node["id"], node.get("path") or ""): node["status"] for node in execution["nodes"]}
    assert shown == ends, f"{execution_id}: {shown} is not {ends}"
    last = truth[-1]
    assert last["status"] == execution["status"], execution_id
    assert last["data"].get("output") == execution["output"], execution_id
    return truth
