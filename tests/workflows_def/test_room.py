"""A node whose model has no room waits in the run: no attempt is counted."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Replayer, Worker

from activities import throttle
from pilot.events.model import EventType
from pilot.graph.status import NodeStatus
from pilot.plugin import PilotPlugin
from pilot.settings import Settings
from pilot.store.places import Caller, PlaceStore
from pilot.store.sql import SqlStore
from pilot.throttle import ModelLimit
from tests.graph.graphs import node
from tests.openai_server import Failure, OpenAIServer, Reply
from tests.workflows_def.conftest import Runner

LIMIT = ModelLimit("busy", 1)
OTHER = Caller("other", "other", "1")


@pytest.fixture
async def opened(
    temporal_address: str, worker_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Runner, PlaceStore, PilotPlugin]]:
    monkeypatch.setattr(throttle, "STAY_S", 0.1)
    settings = worker_settings.model_copy(update={"pilot_model_limits": [LIMIT]})
    store = await SqlStore.open(settings.store_url)
    async with PilotPlugin.open(settings) as plugin:
        client = await Client.connect(temporal_address, plugins=[plugin])
        runner = Runner(client, task_queue=f"room-{uuid.uuid4()}")
        async with Worker(client, task_queue=runner.task_queue):
            yield runner, store.places, plugin
    await store.places.give_back(OTHER)
    await store.close()


def asking(**retry: Any) -> tuple[Any, ...]:
    config = {"model": "busy", "prompt_template": "hi"}
    nodes = [
        node("s", "start"),
        node("n", "llm", config=config, retry={"initial_s": 1, "backoff": 1, **retry}),
        node("o", "output"),
    ]
    return nodes, "s>n", "n>o"


async def hold(places: PlaceStore) -> None:
    async with asyncio.timeout(20):
        while await places.take(OTHER, [LIMIT], lease_s=60, present_s=0) is not None:
            await asyncio.sleep(0.05)


async def waits(runner: Runner, handle: WorkflowHandle[Any, Any]) -> None:
    async with asyncio.timeout(30):
        while (await runner.snapshot(handle)).nodes[1].status != NodeStatus.WAITING:
            await asyncio.sleep(0.05)


async def replayed(runner: Runner, handle: WorkflowHandle[Any, Any], plugin: PilotPlugin) -> None:
    history = await handle.fetch_history()
    await Replayer(workflows=[], plugins=[plugin]).replay_workflow(history)


@pytest.mark.parametrize("second", ["succeeds", "fails"])
async def test_a_wait_counts_no_attempt(
    opened: tuple[Runner, PlaceStore, PilotPlugin], models: OpenAIServer, second: str
) -> None:
    """Of two attempts one fails, the next waits for room, and is the second all the same."""
    runner, places, plugin = opened
    models.script(Failure(503), Reply("done") if second == "succeeds" else Failure(503))
    before = len(models.requests)
    handle = await runner.start(*asking(max_attempts=2))
    async with asyncio.timeout(20):
        while len(models.requests) == before:
            await asyncio.sleep(0.02)
    await hold(places)
    await waits(runner, handle)
    await places.give_back(OTHER)
    if second == "succeeds":
        assert await runner.result(handle) == "done"
    else:
        assert (await runner.failure(handle)).type == "llm_unavailable"
    state = (await runner.snapshot(handle)).nodes[1]
    assert (state.meta if second == "succeeds" else state.error)["attempt"] == 2
    assert len(models.requests) == before + 2
    await replayed(runner, handle, plugin)


async def test_one_that_waits_is_cancelled_at_once(
    opened: tuple[Runner, PlaceStore, PilotPlugin], models: OpenAIServer
) -> None:
    runner, places, plugin = opened
    before = len(models.requests)
    await hold(places)
    handle = await runner.start(*asking())
    await waits(runner, handle)
    await handle.cancel()
    await runner.failure(handle)
    snapshot = await runner.snapshot(handle)
    assert snapshot.nodes[1].status == NodeStatus.CANCELLED
    assert len(models.requests) == before
    assert EventType.EXECUTION_WAITING not in {event.type for event in runner.emitted}
    await replayed(runner, handle, plugin)
