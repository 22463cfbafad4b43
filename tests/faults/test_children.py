"""A worker is killed while a run begins another, and in the middle of that other: both go on, and
the child is begun once."""

from __future__ import annotations

import asyncio
import itertools
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from activities.workflow import child_id
from tests.faults.outside import Outside, Point, outside
from tests.faults.test_sweep import ENDS_WITHIN_S, HELD_WITHIN_S, fleet_with
from tests.faults.watcher import check_truth, watching
from tests.stack import execute, finished, save

pytestmark = [pytest.mark.skipif(os.name != "posix", reason="signals"), pytest.mark.slow]

POINTS = {
    "before its row is written": ("parent", Point("call", "before")),
    "between its row and its start": ("parent", Point("call", "after")),
    "in its middle": ("child", Point("fetch", "during")),
    "as its end is recorded": ("child", Point("record", "after")),
}


def called(url: str) -> dict[str, Any]:
    return chain({"id": "fetch", "type": "http", "config": {"url": f"{url}/call"}})


def chain(*nodes: dict[str, Any]) -> dict[str, Any]:
    line = [{"id": "start", "type": "start"}, *nodes, {"id": "out", "type": "output"}]
    edges = [{"source": a["id"], "target": b["id"]} for a, b in itertools.pairwise(line)]
    return {"nodes": line, "edges": edges}


async def children(client: httpx.AsyncClient, execution_id: str) -> list[str]:
    found = await client.get(f"/api/v1/executions/{execution_id}/children")
    return [one["id"] for one in found.json()["items"]]


async def test_a_worker_is_killed_around_a_child(tmp_path: Path) -> None:
    async with (
        outside() as world,
        fleet_with(tmp_path, world) as fleet,
        fleet.client() as client,
        watching(fleet) as watcher,
    ):
        target = await save(client, called(world.url))
        call = {"id": "call", "type": "workflow", "config": {"workflow_id": target}}
        workflow = await save(client, chain(call))
        runs = {}
        for told, (where, point) in POINTS.items():
            execution_id = await execute(client, workflow)
            child = child_id(execution_id, "call", "")
            runs[execution_id] = told, child, execution_id if where == "parent" else child, point
            for run in (execution_id, child):
                world.admit(run, point if run == runs[execution_id][2] else None)
        async with asyncio.timeout(HELD_WITHIN_S):
            for _, _, held, _ in runs.values():
                await world.held(held)
        await fleet.workers[0].kill()
        await fleet.workers[0].start()
        temporal = await fleet.temporal_client()
        for execution_id, (told, child, held, point) in runs.items():
            world.release(held)
            done = await finished(client, execution_id, within_s=ENDS_WITHIN_S)
            assert (done["status"], done["output"]) == ("succeeded", {"node": "fetch"}), told
            assert await children(client, execution_id) == [child], told
            below = await finished(client, child)
            assert (below["status"], below["output"]) == ("succeeded", {"node": "fetch"}), told
            await check_truth(watcher, client, temporal, done)
            await check_truth(watcher, client, temporal, below)
            again = 2 if point.phase == "during" else 1
            assert asked(world, child) == again, told


def asked(world: Outside, child: str) -> int:
    return world.arrivals(child)[Point("fetch", "during")]


async def test_a_terminated_parent_leaves_no_child_behind(tmp_path: Path) -> None:
    async with (
        outside() as world,
        fleet_with(tmp_path, world) as fleet,
        fleet.client() as client,
    ):
        target = await save(client, called(world.url))
        call = {"id": "call", "type": "workflow", "config": {"workflow_id": target}}
        execution_id = await execute(client, await save(client, chain(call)))
        child = child_id(execution_id, "call", "")
        world.admit(execution_id)
        world.admit(child, Point("fetch", "during"))
        async with asyncio.timeout(HELD_WITHIN_S):
            await world.held(child)
        temporal = await fleet.temporal_client()
        await temporal.get_workflow_handle(f"execution-{execution_id}").terminate("by hand")
        below = await finished(client, child, within_s=ENDS_WITHIN_S)
        assert below["status"] == "cancelled"
        world.release(child)
