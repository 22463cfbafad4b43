"""Runs a second of one worker, with 1,000 of them at once.

`python -m benchmarks.throughput [--runs 1000] [--rounds N] [--variant NAME ...] [--loop asyncio]
[--environment MALLOC_ARENA_MAX=2]`.
Chains of 10 nodes are started all at once, and a batch ends with the last of them. Without a
variant the other side is the same chain as a workflow written by hand, with the same activities,
in the same worker process: one that ends with an activity that writes its outcome, one row, to the
same database, and one that leaves its outcome to Temporal (`alone`). With one the other side is
πlot itself in a second worker, which is told that (`benchmarks.variants`), runs on that event loop
or with that environment, and the first is as it comes.

πlot's rows are made before the clock begins, as that is the API's work; what its worker writes to
the store is in it. After the figures stands what the SDK counted in the worker meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from temporalio.client import WorkflowHandle

from benchmarks.by_hand import Chain, ChainByHand
from benchmarks.chain import CODE, graph_of
from benchmarks.paired import HEADER, Comparison, keep
from benchmarks.separate_worker import WorkerProcess, separate_worker
from benchmarks.stack import Stack, idle_stack
from tests.scrape import Scrape

NODES = 10
STARTS_AT_ONCE = 50
BY_HAND = RECORDED, ALONE = "by hand", "by hand, alone"
COUNTED = {
    "workflow tasks that found their run in memory": "temporal_sticky_cache_hit_total",
    "and that did not": "temporal_sticky_cache_miss_total",
    "runs put out of memory to make room": "temporal_sticky_cache_total_forced_eviction_total",
    "polls that brought nothing": "temporal_workflow_task_queue_poll_empty_total",
}
LATENCIES = {
    "workflow task, from its schedule to its start": (
        "temporal_workflow_task_schedule_to_start_latency_seconds"
    ),
    "workflow task, its execution": "temporal_workflow_task_execution_latency_seconds",
    "activity, from its schedule to its start": (
        "temporal_activity_schedule_to_start_latency_seconds"
    ),
    "activity, its execution": "temporal_activity_execution_latency_seconds",
    "request to the server": "temporal_request_latency_seconds",
}

Start = Callable[[], Awaitable[WorkflowHandle[Any, Any]]]


@dataclass
class Side:
    """A worker, what gives the starts of a batch, and the figures of each batch so far."""

    worker: WorkerProcess
    prepare: Callable[[int], Awaitable[list[Start]]]
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    highest_mb: float = 0

    async def batch(self, runs: int) -> None:
        starts = await self.prepare(runs)
        room = asyncio.Semaphore(STARTS_AT_ONCE)

        async def one(start: Start) -> None:
            async with room:
                handle = await start()
            await handle.result()

        cpu, wall = self.worker.cpu_s(), time.perf_counter()
        await asyncio.gather(*(one(start) for start in starts))
        self.wall_s.append(time.perf_counter() - wall)
        self.cpu_s.append(self.worker.cpu_s() - cpu)
        self.highest_mb = max(self.highest_mb, self.worker.memory_mb())


async def interpreted(bench: Stack, worker: WorkerProcess) -> Side:
    graph = graph_of("code", CODE, NODES)
    workflow_id = await bench.save(graph)

    async def prepare(runs: int) -> list[Start]:
        entered = [await bench.enter(workflow_id, graph, 0) for _ in range(runs)]
        return [
            lambda run=run: bench.begin(run, task_queue=worker.task_queue)  # type: ignore[misc]
            for run in entered
        ]

    return Side(worker, prepare)


def by_hand(bench: Stack, worker: WorkerProcess, *, recorded: bool) -> Side:
    chain = Chain("code", False, [CODE] * NODES, 0, recorded=recorded)

    def start() -> Awaitable[WorkflowHandle[Any, Any]]:
        return bench.client.start_workflow(
            ChainByHand.run, chain, id=str(uuid.uuid4()), task_queue=worker.task_queue
        )

    async def prepare(runs: int) -> list[Start]:
        return [start] * runs

    return Side(worker, prepare)


async def compared(name: str, pair: list[Side], runs: int, rounds: int) -> list[Comparison]:
    for side in pair:  # what does not count
        await side.batch(max(10, runs // 10))
        side.wall_s.clear()
        side.cpu_s.clear()
    for round_ in range(rounds):
        for side in pair if round_ % 2 == 0 else pair[::-1]:
            await side.batch(runs)
    ours, theirs = pair
    rates = [[runs / wall for wall in side.wall_s] for side in pair]
    return [
        Comparison(f"{name}: throughput", "runs/s", *rates),
        Comparison(f"{name}: CPU", "s", ours.cpu_s, theirs.cpu_s),
        Comparison(f"{name}: memory", "MB", [ours.highest_mb], [theirs.highest_mb]),
    ]


def told(before: Scrape, after: Scrape) -> str:
    """What was counted between the two."""
    lines = [
        f"  {what}: {after.total(name) - before.total(name):.0f}" for what, name in COUNTED.items()
    ]
    for what, name in LATENCIES.items():
        count, total = (
            after.total(f"{name}_{part}") - before.total(f"{name}_{part}")
            for part in ("count", "sum")
        )
        lines.append(f"  {what}: {total / max(count, 1) * 1000:.1f} ms on average of {count:.0f}")
    slots = after.total("temporal_worker_task_slots_available")
    lines.append(f"  slots free at the end: {slots:.0f}")
    return "\n".join(lines)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--variant", nargs="+", default=[], help="see benchmarks/variants.py")
    parser.add_argument("--loop", default="", help="asyncio, for the second worker")
    parser.add_argument("--environment", default="", help="NAME=VALUE, for the second worker")
    given = parser.parse_args()
    named, _, value = given.environment.partition("=")
    comparisons: list[Comparison] = []
    async with idle_stack() as bench, separate_worker(bench) as worker:
        ours = await interpreted(bench, worker)
        for variant in given.variant or ([""] if given.loop or named else BY_HAND):
            name = " ".join(filter(None, (variant, given.loop, given.environment)))
            async with AsyncExitStack() as stack:
                if variant in BY_HAND:
                    theirs = by_hand(bench, worker, recorded=variant == RECORDED)
                else:
                    other = separate_worker(
                        bench,
                        TEMPORAL_TASK_QUEUE=f"beside-{len(comparisons)}",
                        BENCHMARK_VARIANT=variant,
                        BENCHMARK_LOOP=given.loop,
                        **({named: value} if named else {}),
                    )
                    theirs = await interpreted(bench, await stack.enter_async_context(other))
                pair = [Side(ours.worker, ours.prepare), theirs]
                before = [await side.worker.counted() for side in pair]
                found = await compared(name, pair, given.runs, given.rounds)
                after = [await side.worker.counted() for side in pair]
            print(HEADER.replace("by hand", "against"))
            print("\n".join(one.line() for one in found))
            names = ("πlot and " + name,) if theirs.worker is worker else ("πlot", name)
            for side, first, last in zip(names, before, after, strict=False):
                print(f"{side}'s worker counted\n{told(first, last)}", flush=True)
            comparisons += found
    print(f"kept in {keep('throughput', comparisons).name}")


if __name__ == "__main__":
    asyncio.run(main())
