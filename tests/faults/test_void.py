"""What a killed worker had told and nobody else knew yet: what is void is taken back, soon after
the next goes on; what holds reaches everybody."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.faults.held_link import HeldLink
from tests.faults.outside import Point, outside
from tests.faults.points import graph
from tests.faults.reconnecting import Watcher
from tests.faults.test_sweep import ENDS_WITHIN_S, HELD_WITHIN_S, TURNS, fleet_with
from tests.faults.view import what
from tests.faults.watcher import check_truth, true_events, watching
from tests.stack import execute, finished, save

pytestmark = [pytest.mark.skipif(os.name != "posix", reason="signals"), pytest.mark.slow]


async def test_who_was_told_what_is_void_ends_with_the_runs_own_list(tmp_path: Path) -> None:
    async with (
        outside() as world,
        fleet_with(tmp_path, world) as fleet,
        fleet.client() as client,
        watching(fleet) as watcher,
    ):
        run = await execute(client, await save(client, graph(world.url)), {"turns": TURNS})
        world.admit(run, Point("out", "before"))
        by_id = [Watcher(fleet, run, way) for way in ("sse", "sse", "ws")]
        await asyncio.wait_for(world.held(run), HELD_WITHIN_S)
        async with asyncio.timeout(HELD_WITHIN_S):
            while not all(
                view.events and view.events[-1].get("node_id") == "out"
                for view in (watcher.views[run], *(one.view for one in by_id))
            ):
                await asyncio.sleep(0.02)
        told = watcher.views[run].last_seq
        await fleet.workers[0].kill()
        await by_id[0].drop()
        await fleet.workers[0].start()
        world.release(run)
        execution = await finished(client, run, within_s=ENDS_WITHIN_S)
        temporal = await fleet.temporal_client()
        await check_truth(watcher, client, temporal, execution)
        assert watcher.views[run].snapshots == 1
        truth = await true_events(temporal, run)
        for one in by_id:
            view = await asyncio.wait_for(one.finished(), ENDS_WITHIN_S)
            assert not (difference := view.difference(truth)), difference
            assert view.snapshots
        # who comes back with a `seq` of before, cannot know whether what he had still holds
        late = Watcher(fleet, run, "sse")
        late.view.begins_after = told
        await asyncio.wait_for(late.finished(), ENDS_WITHIN_S)
        assert late.view.snapshots == 1
        assert not (difference := late.view.difference(truth)), difference


async def test_an_end_is_told_once_it_is_in_the_runs_history(tmp_path: Path) -> None:
    """Who was told it goes away, and could not be told otherwise. Here the worker comes to the end,
    and is cut off and killed before Temporal hears of it; the run is cancelled instead."""
    async with (
        outside() as world,
        HeldLink() as link,
        fleet_with(tmp_path, world, spawned=0) as fleet,
        fleet.client() as client,
        watching(fleet) as watcher,
    ):
        link.target = fleet.temporal_address
        cut_off = fleet.worker(9, TEMPORAL_ADDRESS=link.address)
        try:
            await cut_off.start()
            run = await execute(client, await save(client, graph(world.url)), {"turns": TURNS})
            world.admit(run, Point("out", "after"))
            await asyncio.wait_for(world.held(run), HELD_WITHIN_S)
            link.hold("requests")
            world.release(run)
            out = "node.succeeded", "out", ""
            async with asyncio.timeout(HELD_WITHIN_S):
                while out not in map(what, watcher.views[run].events):
                    await asyncio.sleep(0.02)
            await asyncio.sleep(0.5)
            assert not watcher.ended(run)
        finally:
            await cut_off.kill()
        assert (await client.post(f"/api/v1/executions/{run}/cancel")).status_code == 202
        await fleet.workers[0].start()
        execution = await finished(client, run, within_s=ENDS_WITHIN_S)
        assert execution["status"] == "cancelled"
        await check_truth(watcher, client, await fleet.temporal_client(), execution)


async def test_a_worker_that_dies_before_it_records_an_end_leaves_it_to_be_told(
    tmp_path: Path,
) -> None:
    async with (
        outside() as world,
        fleet_with(tmp_path, world) as fleet,
        fleet.client() as client,
        watching(fleet) as watcher,
    ):
        run = await execute(client, await save(client, graph(world.url)), {"turns": TURNS})
        world.admit(run, Point("record", "before"))
        await asyncio.wait_for(world.held(run), HELD_WITHIN_S)
        by_id = [Watcher(fleet, run, way) for way in ("sse", "ws")]
        await fleet.workers[0].kill()
        await fleet.workers[1].start()
        world.release(run)
        execution = await finished(client, run, within_s=ENDS_WITHIN_S)
        truth = await check_truth(watcher, client, await fleet.temporal_client(), execution)
        for one in by_id:
            view = await asyncio.wait_for(one.finished(), ENDS_WITHIN_S)
            assert not (difference := view.difference(truth)), difference
