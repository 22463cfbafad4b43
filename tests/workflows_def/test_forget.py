"""Forgetting an owner on real parts: runs, rows, histories, and nothing of anybody else's."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from pilot import forgetting, runs
from pilot.errors import NotFoundError
from pilot.graph.compile import compile_plan
from pilot.graph.status import ExecutionStatus
from pilot.nodes import specs
from pilot.settings import Settings
from pilot.store import Execution
from pilot.store.secrets import SealedSecret
from pilot.store.sql import SqlStore
from tests.ended import ran
from tests.graph.graphs import graph, node
from tests.stack import pilot
from tests.workflows_def.conftest import Runner

LIMIT = timedelta(seconds=10)
SPIN = {"source": "def main():\n    while True:\n        pass", "limits": {"time_s": 120}}
SLOW = graph([node("s", "start"), node("k", "code", config=SPIN), node("o", "output")],
             "s>k", "k>o")  # fmt: skip


@pytest.fixture
async def store(runner: Runner, worker_settings: Settings) -> Any:
    """The worker's own."""
    store = await SqlStore.open(worker_settings.store_url)
    yield store
    await store.close()


async def started(runner: Runner, store: SqlStore, owner: str) -> Execution:
    """A run that goes on for two minutes."""
    workflow = await store.create_workflow(owner, name="w", description="", graph=SLOW.to_json())
    row, _ = await store.create_execution(
        Execution(
            str(uuid4()), owner, workflow.id, 1, ExecutionStatus.QUEUED, None, datetime.now(UTC)
        )
    )
    run = runs.run_of(row, "w", compile_plan(SLOW, specs()))
    await runs.start(runner.client, run, runner.task_queue, limit=LIMIT)
    handle = runner.client.get_workflow_handle(row.temporal_workflow_id)
    await runner.until(handle, "k", "running")
    return row


async def forgotten(runner: Runner, owner: str) -> forgetting.Deletion:
    async with asyncio.timeout(120):
        while True:
            found = await forgetting.deletion(runner.client, owner, limit=LIMIT)
            if found.status != "running":
                return found
            await asyncio.sleep(0.2)


def command(runner: Runner, settings: Settings, *arguments: str) -> Any:
    """`pilot forget`, as an operator of the worker's installation gives it."""
    environment = {
        "TEMPORAL_ADDRESS": settings.temporal_address,
        "TEMPORAL_TASK_QUEUE": runner.task_queue,
        "PILOT_ENV": "development",
        "PILOT_DATA_DIR": str(settings.pilot_data_dir),
    }
    return asyncio.to_thread(
        pilot, "forget", *arguments, cwd=settings.pilot_data_dir, environment=environment
    )


async def is_known(runner: Runner, workflow_id: str) -> bool:
    try:
        await runner.client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        assert error.status is RPCStatusCode.NOT_FOUND
        return False
    return True


async def test_an_owner_is_forgotten(
    runner: Runner, store: SqlStore, caplog: pytest.LogCaptureFixture
) -> None:
    owner, other = f"Ada's {uuid4().hex[:8]}", f"bob-{uuid4().hex[:8]}"
    assert (await forgetting.deletion(runner.client, owner, limit=LIMIT)).status == "none"
    run, theirs = await started(runner, store, owner), await started(runner, store, other)
    workflow = await store.get_workflow(owner, run.workflow_id)
    ended = [await ran(store, workflow, timedelta(days=n), now=datetime.now(UTC)) for n in (1, 2)]
    await store.secrets.put(SealedSecret(owner, "S", b"x", "k"))
    # a row that never began, and one whose history outlived it
    await store.create_execution(
        Execution(
            str(uuid4()), owner, workflow.id, 1, ExecutionStatus.QUEUED, None, datetime.now(UTC)
        )
    )
    with caplog.at_level(logging.INFO):
        for _ in range(2):  # the second finds the first
            await forgetting.forget(runner.client, runner.task_queue, owner, limit=LIMIT)
        found = await forgotten(runner, owner)
    assert found.status == "done", found
    assert found.deleted["executions"] == 4
    assert (found.deleted["workflows"], found.deleted["access"]) == (1, 1)
    for row in (run, *ended):
        with pytest.raises(NotFoundError):
            await store.get_execution(owner, row.id)
    async with asyncio.timeout(30):  # Temporal deletes in its own time
        while await is_known(runner, run.temporal_workflow_id):
            await asyncio.sleep(0.2)
    assert (await store.list_workflows(owner)).items == []
    assert await store.secrets.names(owner) == frozenset()
    # an audit line, and no person in it
    [line] = [one.getMessage() for one in caplog.records if "forgotten" in one.getMessage()]
    assert "4 executions" in line
    assert owner not in caplog.text
    # bob's goes on
    handle = runner.client.get_workflow_handle(theirs.temporal_workflow_id)
    assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    assert (await store.get_execution(other, theirs.id)).id == theirs.id
    await handle.terminate()
    # there is nothing left, and asking again is no error
    await forgetting.forget(runner.client, runner.task_queue, owner, limit=LIMIT)
    again = await forgotten(runner, owner)
    assert (again.status, again.deleted) == ("done", {})


async def test_the_operators_command(
    runner: Runner, store: SqlStore, worker_settings: Settings
) -> None:
    owner = f"ada-{uuid4().hex[:8]}"
    workflow = await store.create_workflow(owner, name="w", description="", graph=SLOW.to_json())
    for days in (1, 2):
        await ran(store, workflow, timedelta(days=days), now=datetime.now(UTC))
    # without --yes it asks, and nobody answers
    asked = await command(runner, worker_settings, owner)
    assert asked.returncode == 1
    assert f"Delete all that is {owner}'s" in asked.stdout + asked.stderr
    assert len((await store.list_executions(owner)).items) == 2
    done = await command(runner, worker_settings, owner, "--yes")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "done"
    assert {"2 executions deleted", "1 workflows deleted"} <= set(lines)
    assert (await store.list_workflows(owner)).items == []
    begun = await command(runner, worker_settings, owner, "--yes", "--no-wait")
    assert (begun.returncode, begun.stdout.split()[-1] in ("running", "done")) == (0, True)
    assert (await forgotten(runner, owner)).status == "done"
