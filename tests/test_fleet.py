"""The fleet that the fault tests kill: what it says is up is up, and what it kills is gone."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from tests.fleet import Fleet
from tests.stack import execute, finished, save

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

GRAPH = {
    "nodes": [{"id": "start", "type": "start"}, {"id": "output", "type": "output"}],
    "edges": [{"source": "start", "target": "output"}],
}


async def test_processes_of_a_fleet_come_and_go_one_by_one(tmp_path: Path) -> None:
    async with Fleet(tmp_path, workers=2, apis=2) as fleet:
        parts = [fleet.temporal, *fleet.apis, *fleet.workers]
        pids = [part.pid for part in parts]
        assert len(set(pids)) == 5
        await fleet.workers[0].kill()
        await fleet.apis[0].kill()
        assert not psutil.pid_exists(pids[1])
        assert not psutil.pid_exists(pids[3])
        fleet.url = fleet.urls[1]
        async with fleet.client() as client:  # by what is left
            execution = await execute(client, await save(client, GRAPH), 7)
            assert (await finished(client, execution))["output"] == 7
        await fleet.workers[1].kill()
        await fleet.workers[0].start()
        assert fleet.workers[0].pid not in pids
        async with fleet.client() as client:
            execution = await execute(client, await save(client, GRAPH), 8)
            assert (await finished(client, execution))["output"] == 8
        temporal = await fleet.temporal_client()
        # the store is final a moment before the run is closed
        assert await temporal.get_workflow_handle(f"execution-{execution}").result() == 8
    assert not any(psutil.pid_exists(part.pid) for part in parts)
