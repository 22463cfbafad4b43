"""Who watches is told what a run waits for, also when no worker is left to tell it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from temporalio.api.workflowservice.v1 import ListWorkersRequest
from websockets.asyncio.client import ClientConnection

from tests.faults.test_deaths import fetching, slow_server
from tests.fleet import Fleet
from tests.stack import execute, finished, run_events, save

NO_WORKER_LIMIT_S = 10.0
"""The issue's: said within so many seconds of the last worker's death."""

RETRIED = {
    "nodes": [
        {"id": "start", "type": "start"},
        {
            "id": "flaky",
            "type": "http",
            "config": {"url": "http://127.0.0.1:9/"},
            "retry": {"max_attempts": 4, "initial_s": 600, "max_s": 600},
        },
        {"id": "output", "type": "output"},
    ],
    "edges": [{"source": "start", "target": "flaky"}, {"source": "flaky", "target": "output"}],
}


async def read(client: httpx.AsyncClient, execution_id: str) -> dict[str, Any]:
    answer = await client.get(f"/api/v1/executions/{execution_id}")
    assert answer.status_code == 200, answer.text
    execution: dict[str, Any] = answer.json()
    return execution


async def shown(
    client: httpx.AsyncClient, execution_id: str, is_so: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    async with asyncio.timeout(40):
        while not is_so(execution := await read(client, execution_id)):
            await asyncio.sleep(0.1)
        return execution


async def told(socket: ClientConnection, execution_id: str, type: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        async for event in run_events(socket, execution_id):
            if event["type"] == type and "seq" not in event:
                return event
    raise AssertionError(f"the run ended without {type}")


async def beaten(fleet: Fleet) -> None:
    """Waits until a worker has told Temporal that it lives. Of one that dies before, 2 s after its
    start, Temporal knows only that it polled, and for a minute and a half that says it lives."""
    client = await fleet.temporal_client()
    request = ListWorkersRequest(namespace=client.namespace, query="TaskQueue = 'pilot'")
    async with asyncio.timeout(20):
        while not (await client.workflow_service.list_workers(request)).workers_info:
            await asyncio.sleep(0.1)
    await asyncio.sleep(0.5)


async def test_the_death_of_the_last_worker_is_said_and_taken_back(tmp_path: Path) -> None:
    async with (
        Fleet(tmp_path) as fleet,
        fleet.client() as client,
        slow_server(8.0) as (url, asked),  # the second attempt is seen under way
        fleet.events() as of_begun,
        fleet.events() as of_queued,
    ):
        workflow_id = await save(client, fetching(url))
        begun = await execute(client, workflow_id)
        await asyncio.wait_for(asked.wait(), 20)
        assert "waiting" not in await read(client, begun)
        watching = asyncio.create_task(told(of_begun, begun, "execution.waiting"))
        await beaten(fleet)  # and subscribed meanwhile

        await fleet.workers[0].kill()
        killed_at = time.monotonic()
        queued = await execute(client, workflow_id)
        assert (await read(client, queued))["queue"]["reason"] == "starting"
        event = await watching
        assert time.monotonic() - killed_at < NO_WORKER_LIMIT_S
        assert event["data"]["reason"] == "no_worker"
        assert event["workflow_id"] == workflow_id
        # one who comes later is told as well, and of a run that has not begun
        event = await told(of_queued, queued, "execution.waiting")
        assert event["data"]["reason"] == "no_worker"
        execution = await read(client, queued)
        assert execution["status"] == "queued"
        assert execution["queue"]["reason"] == "no_worker"
        execution = await read(client, begun)
        assert execution["waiting"]["reason"] == "no_worker"
        assert "queue" not in execution
        async with httpx.AsyncClient(base_url=fleet.url) as anyone:
            health = (await anyone.get("/health")).json()
        assert health["parts"]["worker"]["status"] == "no_worker"

        returned = asyncio.create_task(told(of_begun, begun, "execution.resumed"))
        retried = asyncio.create_task(told_retry(fleet, begun))
        await fleet.workers[0].start()
        assert (await returned)["data"] == {"reason": "no_worker"}
        event = await retried  # the attempt died with its worker: nobody but Temporal can tell
        assert event["node_id"] == "fetch"
        assert event["attempt"] == 1
        assert event["data"]["error"]["code"] == "worker_lost"
        for execution_id in (begun, queued):
            execution = await finished(client, execution_id, within_s=60)
            assert execution["status"] == "succeeded", execution["error"]
            assert not {"queue", "waiting"} & execution.keys()


async def told_retry(fleet: Fleet, execution_id: str) -> dict[str, Any]:
    async with fleet.events() as socket:
        return await told(socket, execution_id, "node.retrying")


async def test_a_retry_far_away_is_shown_to_whoever_comes(tmp_path: Path) -> None:
    async with Fleet(tmp_path) as fleet, fleet.client() as client:
        execution_id = await execute(client, await save(client, RETRIED))
        execution = await shown(client, execution_id, lambda e: "waiting" in e["nodes"][1])
        node = execution["nodes"][1]
        assert node["status"] == "running"
        assert node["attempt"] == 2
        waiting = node["waiting"]
        assert waiting["reason"] == "retry"
        assert waiting["max_attempts"] == 4
        assert waiting["error"]["code"] == "http_connect"
        assert waiting["until"] > execution["started_at"]
        async with fleet.events() as socket:
            event = await told(socket, execution_id, "node.retrying")
        assert event["attempt"] == 1
        assert event["data"]["max_attempts"] == 4
        assert event["data"]["error"] == waiting["error"]
        assert event["data"]["next_attempt_at"][:19] == waiting["until"][:19]
        async with fleet.events() as socket:
            await socket.send(f'{{"type": "subscribe", "execution_id": "{execution_id}"}}')
            async with asyncio.timeout(20):
                while (snapshot := json.loads(await socket.recv()))["type"] != "snapshot":
                    pass
        assert snapshot["data"]["nodes"][1]["waiting"]["reason"] == "retry"
        await client.post(f"/api/v1/executions/{execution_id}/cancel")
        assert (await finished(client, execution_id))["status"] == "cancelled"


async def test_a_queue_without_a_worker_is_said_by_name_and_taken_back(tmp_path: Path) -> None:
    """Nobody works for code nodes, but for all else."""
    source = "def main():\n    while True:\n        pass"  # it is seen under way, and then fails
    code = {
        "type": "code",
        "config": {"source": source, "limits": {"time_s": 3}},
        "on_error": "continue",
    }
    each = {"id": "each", "type": "map", "config": {"items": "{[1]}", "body": {
        "nodes": [{"id": "inner", **code}], "edges": []}}}  # fmt: skip
    graph = {
        "nodes": [
            {"id": "start", "type": "start"},
            {"id": "heavy", **code},
            each,
            {"id": "output", "type": "output"},
        ],
        "edges": [
            {"source": "start", "target": "heavy"},
            {"source": "heavy", "target": "each"},
            {"source": "each", "target": "output"},
        ],
    }
    async with (
        Fleet(tmp_path, spawned=0, PILOT_TASK_QUEUES="code=heavy-code") as fleet,
        fleet.client() as client,
        fleet.events() as socket,
    ):
        runs = fleet.worker(1, PILOT_WORKER_QUEUES="pilot")
        heavy = fleet.worker(2, PILOT_WORKER_QUEUES="heavy-code")
        try:
            await runs.start()
            assert "worker polls 'pilot' at" in runs.log()
            execution_id = await execute(client, await save(client, graph))
            event = await told(socket, execution_id, "execution.waiting")
            assert event["data"]["reason"] == "no_worker"
            assert (event["data"]["queue"], event["data"]["nodes"]) == ("heavy-code", ["heavy"])
            execution = await read(client, execution_id)
            assert execution["waiting"]["queue"] == "heavy-code"
            node = execution["nodes"][1]
            assert node["status"] == "running"
            assert node["waiting"]["reason"] == "no_worker"
            assert node["waiting"]["queue"] == "heavy-code"

            back = asyncio.create_task(told(socket, execution_id, "execution.resumed"))
            await heavy.start()
            assert (await back)["data"] == {"reason": "no_worker"}
            execution = await finished(client, execution_id, within_s=60)
            assert execution["status"] == "succeeded", execution["error"]

            # its death is said as fast as that of a worker of runs, and of what is in a map
            each["config"]["body"]["nodes"][0]["config"] = {"source": source}
            execution_id = await execute(client, await save(client, graph))
            waiting = asyncio.create_task(told_of(fleet, execution_id, "execution.waiting"))
            await shown(client, execution_id, lambda e: e["nodes"][2]["status"] == "running")
            await asyncio.sleep(1)  # the item is under way
            await heavy.kill()
            killed_at = time.monotonic()
            data = (await waiting)["data"]
            assert time.monotonic() - killed_at < NO_WORKER_LIMIT_S
            assert (data["queue"], data["nodes"]) == ("heavy-code", ["inner"])
            await client.post(f"/api/v1/executions/{execution_id}/cancel")
        finally:
            await asyncio.gather(runs.stop(), heavy.stop())


async def told_of(fleet: Fleet, execution_id: str, type: str) -> dict[str, Any]:
    async with fleet.events() as socket:
        return await told(socket, execution_id, type)
