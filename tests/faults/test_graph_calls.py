"""Somebody's own workflow runs a stored graph as a child: once, whatever dies."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError, CancelledError, ChildWorkflowError
from temporalio.worker import Worker

from tests.faults.test_queue import graph
from tests.faults.theirs import Theirs
from tests.fleet import Fleet
from tests.outside import outside
from tests.stack import finished, save

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals"),
    pytest.mark.timeout(300),
]


@asynccontextmanager
async def their_worker(fleet: Fleet) -> AsyncIterator[Client]:
    client = await Client.connect(fleet.temporal_address)
    async with Worker(client, task_queue="theirs", workflows=[Theirs]):
        yield client


async def begin(
    client: Client, name: str, graph_id: str, version: str | None = None, owner: str = "ada"
) -> WorkflowHandle[Any, Any]:
    return await client.start_workflow(
        Theirs.run, args=[owner, graph_id, version], id=name, task_queue="theirs"
    )


def cause(error: WorkflowFailureError) -> BaseException | None:
    assert isinstance(error.cause, ChildWorkflowError)
    return error.cause.cause


@pytest.mark.slow
async def test_the_worker_that_runs_the_graph_is_killed(tmp_path: Path) -> None:
    async with (
        outside() as world,
        Fleet(tmp_path) as fleet,
        fleet.client("ada") as ada,
        their_worker(fleet) as client,
    ):
        graph_id = await save(ada, graph(world.url("hold", "ran")))
        handle = await begin(client, "killed", graph_id)
        await world.called("ran")
        [worker] = fleet.workers
        await worker.kill()
        world.release("ran")
        await worker.start()
        result = await asyncio.wait_for(handle.result(), 90)
        assert result == {"theirs": {"name": "ran", "call": 2}}
        [row] = (await ada.get("/api/v1/executions")).json()["items"]
        run = await finished(ada, row["id"])
        assert (run["status"], run["input"]) == ("succeeded", "hello")
        assert run["triggered"]["type"] == "workflow"
        assert run["triggered"]["id"].startswith("graph-call-")


async def test_its_ends_are_the_callers(tmp_path: Path) -> None:
    """A failure's code, a cancel in both directions, and what cannot begin."""
    async with (
        outside() as world,
        Fleet(tmp_path) as fleet,
        fleet.client("ada") as ada,
        their_worker(fleet) as client,
    ):
        broken = graph("http://127.0.0.1:1/")
        broken["nodes"][1]["policy"] = {"retry": {"max_attempts": 1}}
        handle = await begin(client, "failing", await save(ada, broken))
        with pytest.raises(WorkflowFailureError) as failure:
            await handle.result()
        error = cause(failure.value)
        assert isinstance(error, ApplicationError)
        [row] = (await ada.get("/api/v1/executions")).json()["items"]
        assert (error.type, error.details[0]) == (
            (await finished(ada, row["id"]))["error"]["code"],
            {"execution_id": row["id"]},
        )

        held = await save(ada, graph(world.url("hold", "held")))
        handle = await begin(client, "cancelled", held)
        await world.called("held")
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as failure:
            await handle.result()
        assert isinstance(failure.value.cause, CancelledError) or isinstance(
            cause(failure.value), CancelledError
        )
        [row, _] = (await ada.get("/api/v1/executions")).json()["items"]
        assert row["status"] == "cancelled"

        handle = await begin(client, "cancelled-there", held)
        await world.called("held", 2)
        row = (await ada.get("/api/v1/executions")).json()["items"][0]
        await ada.post(f"/api/v1/executions/{row['id']}/cancel")
        with pytest.raises(WorkflowFailureError) as failure:
            await handle.result()
        error = cause(failure.value)
        assert isinstance(error, ApplicationError)
        assert error.type == "cancelled"

        for name, arguments, code in (
            ("unknown", {"graph_id": "no-such"}, "not_found"),
            ("not-hers", {"graph_id": held, "owner": "bob"}, "not_found"),
            ("bad-version", {"graph_id": held, "version": "newest"}, "invalid_version"),
            ("unpublished", {"graph_id": held, "version": "published"}, "not_published"),
        ):
            handle = await begin(client, name, **arguments)
            with pytest.raises(WorkflowFailureError) as failure:
                await handle.result()
            error = cause(failure.value)
            assert isinstance(error, ApplicationError)
            assert error.type == code, name
