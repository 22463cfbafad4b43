"""A worker is killed before, during and after every node: the run goes on where it was.

One run a point, all of them held at their points at once, so that one SIGKILL hits them all.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from tests.faults.held_worker import OUTSIDE_URL
from tests.faults.outside import Outside, Point, outside
from tests.faults.points import (
    LOCAL_POINTS,
    REMOTE_POINTS,
    attempts_of,
    check_arrivals,
    error_of,
    graph,
    output,
)
from tests.faults.watcher import Watcher, check_truth, watching
from tests.fleet import Fleet
from tests.stack import execute, finished, save

pytestmark = [pytest.mark.skipif(os.name != "posix", reason="signals"), pytest.mark.slow]

TURNS = 1_000
LONG = 5_000_000
"""Turns of a code node that takes seconds."""
ROOT = str(Path(__file__).parents[2])
HELD_WITHIN_S = 40
ENDS_WITHIN_S = 120
PROGRESS_WITHIN_S = 30


def fleet_with(tmp_path: Path, world: Outside, *, spawned: int = 1) -> Fleet:
    path = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
    return Fleet(
        tmp_path,
        workers=3,
        spawned=spawned,
        worker_module="tests.faults.held_worker",
        PYTHONPATH=path,
        PILOT_LLM_API_BASE=f"{world.url}/v1",
        **{OUTSIDE_URL: world.url},
    )


@pytest.mark.parametrize("workers", [1, 3])
async def test_a_worker_is_killed_at_every_point(tmp_path: Path, workers: int) -> None:
    async with (
        outside() as world,
        fleet_with(tmp_path, world) as fleet,
        fleet.client() as client,
        watching(fleet) as watcher,
    ):
        workflow = await save(client, graph(world.url))

        async def launch(point: Point | None, turns: int = TURNS) -> str:
            execution_id = await execute(client, workflow, {"turns": turns})
            world.admit(execution_id, point)
            return execution_id

        runs = {await launch(point): point for point in REMOTE_POINTS}
        await all_held(world, runs)
        # a local activity has ten seconds, so these come last
        local = {await launch(point): point for point in LOCAL_POINTS}
        await all_held(world, local)
        runs |= local
        spinning = await launch(None, LONG)
        async with asyncio.timeout(HELD_WITHIN_S):
            while not world.arrivals(spinning)[Point("calc", "before")]:
                await asyncio.sleep(0.02)
        others = fleet.workers[1:workers]
        await asyncio.gather(*(part.start() for part in others))
        killed_at = time.monotonic()
        await fleet.workers[0].kill()
        if not others:
            await fleet.workers[0].start()
        for run in runs:
            world.release(run)

        temporal = await fleet.temporal_client()
        for run, point in runs.items():
            execution = await finished(client, run, within_s=ENDS_WITHIN_S)
            code = error_of(point)
            assert (execution["error"] or {}).get("code") == code, (str(point), execution)
            assert execution["status"] == ("succeeded" if code is None else "failed"), str(point)
            assert execution["output"] == (output(TURNS) if code is None else None), str(point)
            truth = await check_truth(watcher, client, temporal, execution)
            check_arrivals(point, world.arrivals(run), attempts_of(truth))
        execution = await finished(client, spinning, within_s=ENDS_WITHIN_S)
        assert execution["output"] == output(LONG)
        assert world.arrivals(spinning)[Point("calc", "after")] == 1
        assert world.arrivals(spinning)[Point("send", "during")] == 1
        await check_truth(watcher, client, temporal, execution)
        check_pauses(watcher, runs, killed_at)


async def all_held(world: Outside, runs: dict[str, Point]) -> None:
    waiting = {asyncio.create_task(world.held(run)): point for run, point in runs.items()}
    _, late = await asyncio.wait(waiting, timeout=HELD_WITHIN_S)
    assert not late, f"never reached: {[str(waiting[task]) for task in late]}"


def check_pauses(watcher: Watcher, runs: dict[str, Point], killed_at: float) -> None:
    """Every run went on soon after the kill. One that was being recorded has nothing to say."""
    pauses = {point: watcher.progress_after(run, killed_at) for run, point in runs.items()}
    silent = {point for point, pause in pauses.items() if pause is None}
    assert {point.place for point in silent} <= {"record", "out"}, silent
    assert max(filter(None, pauses.values())) < PROGRESS_WITHIN_S, pauses
