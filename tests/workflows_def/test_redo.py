"""A workflow task that is done again tells the same story as the one that was lost."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta
from typing import Any

from temporalio.api.common.v1 import Payloads
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    PollActivityTaskQueueRequest,
    PollActivityTaskQueueResponse,
    RespondActivityTaskCompletedRequest,
)
from temporalio.client import Client
from temporalio.worker import Worker

from pilot import runs
from pilot.graph.compile import compile_plan
from pilot.graph.task import NodeResult
from pilot.nodes import specs
from tests.graph.graphs import graph, node
from tests.workflows_def.test_reconcile import World, world
from workflows_def.messages import QUERY_EVENTS, EventsPage

__all__ = ["world"]

URL = {"url": "https://example.com"}
GRAPH = graph(
    [node("s", "start"), *(node(id, "http", config=URL) for id in ("a", "b", "a2", "b2"))],
    "s>a", "s>b", "a>a2", "b>b2",
)  # fmt: skip


class Hand:
    """Does a task queue's activities by hand, when it is told to."""

    def __init__(self, client: Client, queue: str) -> None:
        self._client, self._queue = client, queue

    async def take(self) -> PollActivityTaskQueueResponse:
        return await self._client.workflow_service.poll_activity_task_queue(
            PollActivityTaskQueueRequest(
                namespace="default", task_queue=TaskQueue(name=self._queue), identity="hand"
            ),
            timeout=timedelta(seconds=20),
        )

    async def complete(self, task: PollActivityTaskQueueResponse) -> None:
        payloads = await self._client.data_converter.encode([NodeResult(output=1)])
        await self._client.workflow_service.respond_activity_task_completed(
            RespondActivityTaskCompletedRequest(
                namespace="default", task_token=task.task_token, result=Payloads(payloads=payloads)
            )
        )


async def story(world: World, *, at_once: bool) -> list[tuple[str, str | None]]:
    """The events of a run whose nodes `a` and `b` end one after the other: while a worker sees
    to each, or while there is none, as when it died in the task that saw to `a`."""
    client, queue = world.runner.client, f"by-hand-{uuid.uuid4()}"
    hand = Hand(client, queue)
    row = await world.row(GRAPH)
    run = runs.run_of(row, "w", compile_plan(GRAPH, specs()))
    await runs.start(client, run, queue, limit=timedelta(seconds=5))
    handle = client.get_workflow_handle(row.temporal_workflow_id)

    async def events() -> list[tuple[str, str | None]]:
        page = await handle.query(QUERY_EVENTS, result_type=EventsPage)
        return [(event["type"], event.get("node_id")) for event in page.events]

    async def until_started(*nodes: str) -> list[tuple[str, str | None]]:
        async with asyncio.timeout(30):
            while not {("node.started", id) for id in nodes} <= set(seen := await events()):
                await asyncio.sleep(0.05)
            return seen

    def working() -> Any:
        return Worker(client, task_queue=queue, no_remote_activities=True)

    async with working():
        tasks = {task.activity_id: task for task in [await hand.take(), await hand.take()]}
        if not at_once:
            for id in ("a", "b"):
                await hand.complete(tasks[id])
                seen = await until_started(f"{id}2")
    if at_once:
        for id in ("a", "b"):
            await hand.complete(tasks[id])
        async with working():
            seen = await until_started("a2", "b2")
    await handle.terminate()
    return seen


async def test_ends_that_meet_in_one_task_are_told_one_by_one(world: World) -> None:
    apart = await story(world, at_once=False)
    assert apart[-4:] == [
        ("node.succeeded", "a"),
        ("node.started", "a2"),
        ("node.succeeded", "b"),
        ("node.started", "b2"),
    ]
    assert await story(world, at_once=True) == apart
