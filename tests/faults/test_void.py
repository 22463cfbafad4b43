"""What a killed worker had told and nobody else knew yet: what is void is taken back, soon after the
next goes on; what holds reaches everybody."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from api.live.watch import CATCH_UP_DELAYS_S
from tests.faults.outside import Point, outside
from tests.faults.points import graph
from tests.faults.reconnecting import Watcher
from tests.faults.test_sweep import ENDS_WITHIN_S, HELD_WITHIN_S, TURNS, fleet_with
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


async def test_who_comes_between_a_runs_end_and_its_record_sees_the_end(tmp_path: Path) -> None:
    """Others had the last event from the worker that died then; the store has it much later."""
    async with (
        outside() as world,
        fleet_with(tmp_path, world) as fleet,
        fleet.client() as client,
        watching(fleet) as watcher,
    ):
        run = await execute(client, await save(client, graph(world.url)), {"turns": TURNS})
        world.admit(run, Point("record", "before"))
        async with asyncio.timeout(HELD_WITHIN_S):
            await world.held(run)
            while not watcher.ended(run):
                await asyncio.sleep(0.02)
        await fleet.workers[0].kill()
        end = watcher.views[run].last_seq
        late = [Watcher(fleet, run, way) for way in ("sse", "ws")]
        for one in late:
            one.view.begins_after = end - 1
        await asyncio.sleep(sum(CATCH_UP_DELAYS_S) + 1)
        await fleet.workers[0].start()
        world.release(run)
        await finished(client, run, within_s=ENDS_WITHIN_S)
        for one in late:
            view = await asyncio.wait_for(one.finished(), ENDS_WITHIN_S)
            assert (view.last_seq, view.snapshots) == (end, 0)
