"""Workers are killed at random while runs go on; then everything is counted.

    python -m tests.faults.chaos [--seconds 300] [--seed 1 --seed 2] [--workers 3]

For each seed a fleet of its own: runs are started at a steady pace, one of the workers gets a
SIGKILL every few seconds and is started again a moment later. In the end every run must have
finished as it must, with no call made twice that may not be, each event once at a watcher,
watcher and store equal to Temporal. Exit code 1 where that is not so.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.faults.outside import Outside, Point, outside
from tests.faults.points import UNKNOWN, branching, graph, output
from tests.faults.watcher import Watcher, check_truth, watching
from tests.fleet import Fleet
from tests.stack import execute, finished, save

TURNS = 1_000
MAX_CALL_S = 0.6
LAUNCH_EVERY_S = 0.5
KILL_AFTER_S = (1.0, 12.0)
"""Between a worker's return and the next kill: from inside a recovery to long after it."""
BACK_AFTER_S = 3.0
ENDS_WITHIN_S = 180
ATTEMPTS = 3
"""Of a code node, by default: a run that loses as many workers in it has failed as it must."""
AFFECTED_S = 3.0
"""A run that goes on sooner was not waiting for the worker that was killed."""


@dataclass
class Tally:
    """What a chaos came to. `pauses` are the seconds from a kill to the next event of the run
    that waited longest, one a kill that held up any."""

    kills: list[float] = field(default_factory=list)
    runs: dict[str, bool] = field(default_factory=dict)
    """Execution ids; whether the graph is the one with a node of every type."""
    failed_by_rule: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    untrue: list[str] = field(default_factory=list)
    shown_anew: int = 0
    hit: set[float] = field(default_factory=set)
    """Kills that a run which went wrong had been open at."""
    pauses: list[float] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.untrue)

    def report(self) -> str:
        pauses = self.pauses or [0.0]
        survived = len(self.kills) - len(self.hit)
        lines = [
            f"kills survived      {survived} of {len(self.kills)}",
            f"runs lost           {len(self.lost)} of {len(self.runs)} "
            f"({self.failed_by_rule} failed by rule: a call's outcome was unknown, or each "
            "attempt of a node had lost its worker)",
            f"double side effects {len(self.doubled)}",
            f"untrue events       {len(self.untrue)} runs",
            f"shown anew          {self.shown_anew} runs, to watchers who had heard what was void",
            f"kill to progress    {statistics.median(pauses):.1f} s median, {max(pauses):.1f} s "
            f"worst, over {len(self.pauses)} kills that held up a run",
        ]
        return "\n".join([*lines, *self.lost, *self.doubled, *self.untrue])


async def chaos(folder: Path, *, seed: int, seconds: float, workers: int) -> Tally:
    """Kills for `seconds`, waits for what is under way, and counts."""
    chance, tally = random.Random(seed), Tally()
    async with outside() as world:
        world.pause = lambda: chance.uniform(0, MAX_CALL_S)
        async with (
            Fleet(folder, workers=workers, PILOT_LLM_API_BASE=f"{world.url}/v1") as fleet,
            fleet.client() as client,
            watching(fleet) as watcher,
        ):
            killing = asyncio.create_task(_kill(fleet, chance, tally))
            try:
                await _launch(client, world, tally, seconds)
            finally:
                killing.cancel()
                with suppress(asyncio.CancelledError):
                    await killing
            for worker in fleet.workers:
                if not worker.is_running:
                    await worker.start()
            await _count(fleet, client, world, watcher, tally)
    return tally


async def _launch(client: httpx.AsyncClient, world: Outside, tally: Tally, seconds: float) -> None:
    workflows = [
        (await save(client, graph(world.url)), True),
        (await save(client, branching(world.url)), False),
    ]
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        for workflow, has_every_type in workflows:
            run = await execute(client, workflow, {"turns": TURNS})
            tally.runs[run] = has_every_type
            await asyncio.sleep(LAUNCH_EVERY_S)


async def _kill(fleet: Fleet, chance: random.Random, tally: Tally) -> None:
    while True:
        await asyncio.sleep(chance.uniform(*KILL_AFTER_S))
        victim = chance.choice(fleet.workers)
        tally.kills.append(time.monotonic())
        await victim.kill()
        await asyncio.sleep(chance.uniform(0, BACK_AFTER_S))
        await victim.start()


async def _count(
    fleet: Fleet, client: httpx.AsyncClient, world: Outside, watcher: Watcher, tally: Tally
) -> None:
    temporal = await fleet.temporal_client()
    pauses: dict[float, float] = {}
    for run, has_every_type in tally.runs.items():
        bad = False
        try:
            execution = await finished(client, run, within_s=ENDS_WITHIN_S)
            code = (execution["error"] or {}).get("code")
            by_rule = code in UNKNOWN.values() or (
                code == "worker_lost" and _kills_during(watcher, run, tally) >= ATTEMPTS
            )
            tally.failed_by_rule += by_rule
            wanted = output(TURNS) if has_every_type else "send"
            if not by_rule and execution["output"] != wanted:
                tally.lost.append(f"{run}: {execution['status']}: {execution['error']}")
                bad = True
        except TimeoutError:
            tally.lost.append(f"{run}: not finished within {ENDS_WITHIN_S} s")
            bad = True
        else:
            try:
                await check_truth(watcher, client, temporal, execution)
                tally.shown_anew += watcher.views[run].snapshots > 0
            except AssertionError as error:
                tally.untrue.append(f"{run}: {str(error)[:2000]}")
                bad = True
        arrivals = world.arrivals(run)
        for place in UNKNOWN:
            if arrivals[Point(place, "during")] > 1:
                tally.doubled.append(f"{run}: {place} {arrivals[Point(place, 'during')]} times")
                bad = True
        times = watcher.times[run]
        for kill in tally.kills:
            if not times or not times[0] < kill < times[-1]:
                continue
            pause = watcher.progress_after(run, kill) or 0.0
            if pause > AFFECTED_S:
                pauses[kill] = max(pauses.get(kill, 0.0), pause)
            if bad:
                tally.hit.add(kill)
    tally.pauses = list(pauses.values())


def _kills_during(watcher: Watcher, run: str, tally: Tally) -> int:
    times = watcher.times[run]
    return sum(times[0] < kill < times[-1] for kill in tally.kills) if times else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=300, help="of kills, a seed")
    parser.add_argument("--seed", type=int, action="append", help="[a random one]")
    parser.add_argument("--workers", type=int, default=3)
    given = parser.parse_args()
    is_clean = True
    for seed in given.seed or [random.randrange(1_000_000)]:
        with tempfile.TemporaryDirectory() as folder:
            tally = asyncio.run(
                chaos(Path(folder), seed=seed, seconds=given.seconds, workers=given.workers)
            )
        print(f"seed {seed}, {given.workers} workers, {given.seconds:.0f} s", flush=True)
        print(tally.report(), flush=True)
        is_clean = is_clean and tally.is_clean
    return 0 if is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
