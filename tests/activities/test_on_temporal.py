"""A node's activity under a real server: what only it decides (retries, delays, cancellation)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.registry import node_activities
from activities.resources import Resources
from pilot.events.model import EventType
from pilot.graph.task import NodeResult, NodeTask

from .conftest import Watcher, opened, task
from .http_server import Server, http_server

QUEUE = "activities-under-test"


@workflow.defn
class OneNode:
    @workflow.run
    async def run(self, node: NodeTask) -> NodeResult:
        result: NodeResult = await workflow.execute_activity(
            node.type,
            node,
            result_type=NodeResult,
            start_to_close_timeout=timedelta(seconds=60),
            heartbeat_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(
                initial_interval=timedelta(milliseconds=50), maximum_attempts=2
            ),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        return result


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[Resources]:
    async with opened(pilot_allowed_hosts=["127.0.0.1"]) as resources:
        yield resources


@pytest.fixture(scope="module")
async def client(temporal_address: str, shared: Resources) -> AsyncIterator[Client]:
    client = await Client.connect(temporal_address, data_converter=pydantic_data_converter)
    async with Worker(
        client,
        task_queue=QUEUE,
        workflows=[OneNode],
        activities=node_activities(),
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_heartbeat_throttle_interval=timedelta(seconds=1),
    ):
        yield client


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with http_server() as server:
        yield server


async def start(client: Client, node: NodeTask) -> Any:
    return await client.start_workflow(
        OneNode.run, node, id=f"one-{time.monotonic_ns()}", task_queue=QUEUE
    )


async def failed(client: Client, node: NodeTask) -> ApplicationError:
    with pytest.raises(WorkflowFailureError) as caught:
        await (await start(client, node)).result()
    assert isinstance(caught.value.cause, ActivityError)
    assert isinstance(caught.value.cause.cause, ApplicationError)
    return caught.value.cause.cause


async def test_a_result_comes_back_as_it_was(client: Client) -> None:
    node = task("code", {"source": "def main(input): return input"}, input={"é": [1, None, 2**60]})
    result = await (await start(client, node)).result()
    assert result.output == {"é": [1, None, 2**60]}
    assert result.meta["attempt"] == 1


async def test_an_error_comes_back_with_code_and_meta(client: Client, watcher: Watcher) -> None:
    error = await failed(client, task("code", {"source": "x = 1\n1 / 0"}))
    assert (error.type, error.non_retryable) == ("code_error", True)
    assert error.details[0]["meta"]["line"] == 2
    assert watcher.events == []


async def test_a_retryable_error_is_tried_again_after_the_servers_delay(
    client: Client, server: Server, watcher: Watcher
) -> None:
    began = time.monotonic()
    error = await failed(client, task("http", {"url": f"{server.url}/status/503?Retry-After=1"}))
    assert error.details[0]["attempt"] == 2
    assert time.monotonic() - began > 0.9
    first, second = (headers["idempotency-key"] for _, _, headers, _ in server.requests)
    assert first == second
    [retrying] = watcher.of(EventType.NODE_RETRYING)
    assert retrying["error"]["code"] == "http_status"


async def test_cancelling_the_workflow_stops_the_code(client: Client, shared: Resources) -> None:
    node = task("code", {"source": "while True: pass", "limits": {"time_s": 60}})
    handle = await start(client, node)
    async with asyncio.timeout(5):
        while not shared.sandbox.process_ids:
            await asyncio.sleep(0.01)
    began = time.monotonic()
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert time.monotonic() - began < 3
    assert not shared.sandbox.process_ids
