"""What runs cost a worker that wait: `python -m benchmarks.waits [--runs N] [--cached N]`.

Many runs come to a node that waits for a signal. The worker keeps a few of them in memory, the
others are evicted: they are rows of Temporal's database and nothing else. Measured are the
worker's memory before them, with all of them waiting, and after it has been told to go on with
some; and how long one takes that is told, from the signal to its end. One that was evicted is
replayed first.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from typing import Any

from temporalio.client import WorkflowHandle

from benchmarks.separate_worker import separate_worker
from benchmarks.stack import Stack, idle_stack
from pilot.graph.model import Graph
from workflows_def.messages import QUERY_SNAPSHOT, UPDATE_DELIVER, Delivery, Receipt, Snapshot

AT_ONCE = 20
WARM_UP = 50
TOLD = 200

GRAPH = Graph.model_validate(
    {
        "nodes": [
            {"id": "s", "type": "start"},
            {"id": "w", "type": "wait", "config": {"signal": "go"}},
            {"id": "o", "type": "output"},
        ],
        "edges": [{"source": "s", "target": "w"}, {"source": "w", "target": "o"}],
    }
)

Handle = WorkflowHandle[Any, Any]


async def waiting(bench: Stack, workflow_id: str, number: int) -> list[Handle]:
    """So many runs that wait."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one() -> Handle:
        async with room:
            handle = await bench.start_saved(workflow_id, GRAPH, "x" * 100)
            while True:
                shown: Snapshot = await handle.query(QUERY_SNAPSHOT, result_type=Snapshot)
                if shown.status == "waiting":
                    return handle
                await asyncio.sleep(0.05)

    return list(await asyncio.gather(*(one() for _ in range(number))))


async def tell(handle: Handle) -> float:
    """Seconds from the signal to the run's end."""
    begun = time.perf_counter()
    delivery = Delivery([("w", "")], 1)
    await handle.execute_update(UPDATE_DELIVER, delivery, result_type=list[Receipt])
    assert await handle.result() == 1
    return time.perf_counter() - begun


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--cached", type=int, default=10)
    given = parser.parse_args()
    async with (
        idle_stack() as bench,
        separate_worker(bench, BENCHMARK_CACHED=str(given.cached)) as worker,
    ):
        workflow_id = await bench.save(GRAPH)
        for handle in await waiting(bench, workflow_id, WARM_UP):
            await tell(handle)
        before = worker.memory_mb()
        handles = await waiting(bench, workflow_id, given.runs)
        during = worker.memory_mb()
        told = random.Random(1).sample(handles, min(TOLD, len(handles)))
        took = sorted([await tell(handle) for handle in told])
        after = worker.memory_mb()
    grown = (during - before) * 1024 / given.runs
    print(f"{given.runs} runs wait, {given.cached} in the worker's memory")
    print(f"worker: {before:.0f} MB before, {during:.0f} with them ({grown:.1f} KB a run)")
    print(f"        {after:.0f} MB when {len(told)} of them have gone on")
    print(
        f"from the signal to the run's end: median {statistics.median(took) * 1000:.0f} ms, ",
        end="",
    )
    print(f"99th percentile {took[int(len(took) * 0.99) - 1] * 1000:.0f} ms")


if __name__ == "__main__":
    asyncio.run(main())
