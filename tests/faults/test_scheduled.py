"""A schedule's time is one execution, whatever dies while it is begun; and a schedule outlives a
Temporal that was away, or lost all that it knew."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from pilot.triggers.schedules import Occurrence
from tests.faults.held_starter import OUTSIDE_URL
from tests.faults.test_queue import graph
from tests.fleet import Fleet
from tests.outside import outside
from tests.stack import finished, save

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals"),
    pytest.mark.timeout(400),
]
POINTS = ("before-row", "before-start", "after-start")
T = "/api/v1/triggers"


async def scheduled(client: httpx.AsyncClient, workflow: str, schedule: Any) -> dict[str, Any]:
    body = {"name": "s", "workflow_id": workflow, "schedule": schedule}
    answer = await client.post(T, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def runs(client: httpx.AsyncClient, trigger: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await client.get(f"{T}/{trigger['id']}/executions", params={"limit": 200})
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def having(client: httpx.AsyncClient, trigger: dict[str, Any], number: int) -> Any:
    async with asyncio.timeout(120):
        while len(found := await runs(client, trigger)) < number:
            await asyncio.sleep(0.2)
        return found


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
async def test_a_worker_is_killed_while_it_begins_an_execution(tmp_path: Path, point: str) -> None:
    async with outside() as world:
        for other in set(POINTS) - {point}:
            world.release(other)
        environment = {OUTSIDE_URL: world.address, "PILOT_RECONCILE_EVERY_S": "600"}
        fleet = Fleet(tmp_path, worker_module="tests.faults.held_starter", **environment)
        async with fleet, fleet.client("ada") as ada:
            workflow = await save(ada, graph(world.url("ok", "ran")))
            trigger = await scheduled(ada, workflow, {"cron": ["0 0 1 1 *"]})
            assert (await ada.post(f"{T}/{trigger['id']}/run")).status_code == 202
            await world.called(point)
            assert len(await runs(ada, trigger)) == (point != "before-row")
            [worker] = fleet.workers
            await worker.kill()
            world.release(point)
            await worker.start()
            [row] = await having(ada, trigger, 1)
            run = await finished(ada, row["id"], within_s=120)
            assert (run["status"], run["error"]) == ("succeeded", None)
            at = datetime.fromisoformat(row["triggered"]["at"])
            client = await fleet.temporal_client()
            starter = client.get_workflow_handle(Occurrence(trigger["id"], at).workflow_id)
            result = await asyncio.wait_for(starter.result(), 60)
            assert result["execution_id"] == row["id"]
            assert [one["id"] for one in await runs(ada, trigger)] == [row["id"]]
            # the run is on its way by then: a call that was under way at the kill is made again
            assert len(world.calls["ran"]) <= (2 if point == "after-start" else 1)


@pytest.mark.slow
async def test_temporal_is_away_and_then_has_lost_everything(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, PILOT_RECONCILE_EVERY_S="2")
    async with outside() as world, fleet, fleet.client("ada") as ada:
        workflow = await save(ada, graph(world.url("ok", "ran")))
        [worker] = fleet.workers
        await worker.kill()
        await fleet.temporal.kill()
        trigger = await scheduled(ada, workflow, {"every_s": 2})
        assert trigger["state"] == "pending"
        gone = await scheduled(ada, workflow, {"every_s": 1})
        assert (await ada.delete(f"{T}/{gone['id']}")).status_code == 204
        await fleet.temporal.start()
        await worker.start()
        before = await having(ada, trigger, 2)
        assert (await ada.get(f"{T}/{trigger['id']}")).json()["state"] == "active"
        begun = (await ada.get("/api/v1/executions")).json()["items"]
        assert {row["triggered"]["id"] for row in begun} == {trigger["id"]}

        await worker.kill()
        await fleet.temporal.kill()
        for path in fleet.data_dir.glob("temporal.db*"):
            path.unlink()
        await fleet.temporal.start()
        await worker.start()
        after = await having(ada, trigger, len(before) + 3)
        times = [row["triggered"]["at"] for row in after]
        assert len(set(times)) == len(times)
