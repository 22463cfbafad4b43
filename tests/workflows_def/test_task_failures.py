"""Workflow tasks that fail: counted by Temporal's metric, and handed to Sentry's reporter."""

from __future__ import annotations

import asyncio
import logging
import queue
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

from pilot import sentry
from pilot.processes import free_ports
from pilot.settings import Settings
from pilot.temporal import connect
from tests.scrape import scrape


class Version:
    """What a new release of the workflow changes."""

    changed = False


@workflow.defn(sandboxed=False)
class Fickle:
    """Does something else on replay, once it has changed; or breaks."""

    def __init__(self) -> None:
        self.go_on = False

    @workflow.run
    async def run(self, breaks: bool) -> None:
        if breaks:
            raise KeyError("the user's own words")
        if not Version.changed:
            await workflow.sleep(timedelta(milliseconds=1))
        await workflow.wait_condition(lambda: self.go_on)

    @workflow.signal
    def proceed(self) -> None:
        self.go_on = True


@pytest.fixture
def reported() -> Iterator[queue.SimpleQueue[logging.LogRecord]]:
    """What would go to Sentry."""
    waiting: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    handler = sentry._Handoff(waiting)
    logging.getLogger().addHandler(handler)
    yield waiting
    logging.getLogger().removeHandler(handler)


@pytest.fixture
async def measured(temporal_address: str) -> AsyncIterator[tuple[Client, str]]:
    """A client with a worker that keeps no workflow in memory, and where its metrics are."""
    [port] = free_ports(1)
    address = f"127.0.0.1:{port}"
    Version.changed = False
    settings = Settings(_env_file=None, temporal_address=temporal_address)
    client = await connect(settings, metrics_address=address)
    async with Worker(client, task_queue="fickle", workflows=[Fickle], max_cached_workflows=0):
        yield client, f"http://{address}/metrics"


async def failures(url: str, reason: str) -> float:
    name = "temporal_workflow_task_execution_failed_total"
    return (await scrape(url)).total(name, f"failure_reason={reason}", "workflow_type=Fickle")


async def record(
    reported: queue.SimpleQueue[logging.LogRecord], run_id: str | None
) -> logging.LogRecord:
    async with asyncio.timeout(30):
        while True:
            try:
                found = reported.get_nowait()
            except queue.Empty:
                await asyncio.sleep(0.05)
                continue
            if found.pilot_ids.get("temporal_run_id") == run_id:  # type: ignore[attr-defined]
                return found


async def test_a_history_that_the_code_no_longer_fits(measured, reported) -> None:
    client, url = measured
    handle = await client.start_workflow(Fickle.run, False, id=f"f-{uuid4()}", task_queue="fickle")
    async with asyncio.timeout(30):
        while not any(
            [
                e.HasField("timer_fired_event_attributes")
                async for e in handle.fetch_history_events()
            ]
        ):
            await asyncio.sleep(0.05)
    Version.changed = True
    await handle.signal(Fickle.proceed)
    found = await record(reported, handle.result_run_id)
    assert sentry._is_task_failure(found)
    assert sentry._text(found).startswith("Nondeterminism error: No command scheduled for event")
    async with asyncio.timeout(30):
        while not await failures(url, "NonDeterminismError"):
            await asyncio.sleep(0.1)
    await handle.terminate()


async def test_a_bug_of_the_workflow(measured, reported) -> None:
    client, url = measured
    handle = await client.start_workflow(Fickle.run, True, id=f"f-{uuid4()}", task_queue="fickle")
    found = await record(reported, handle.result_run_id)
    assert sentry._is_task_failure(found)
    assert sentry._text(found) == "a workflow task of Fickle failed"
    async with asyncio.timeout(30):
        while not await failures(url, "WorkflowError"):
            await asyncio.sleep(0.1)
    await handle.terminate()
