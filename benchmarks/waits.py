"""What runs cost a worker that wait: `python -m benchmarks.waits [--runs N] [--cached N]`.

Many runs come to a node that waits for a signal. The worker keeps a few of them in memory, the
others are evicted: they are rows of Temporal's database and nothing else. Measured are the
worker's memory before them, with all of them waiting, and after it has been told to go on with
some, process by process; and how long one takes that is told, from the signal to its end. One
that was evicted is replayed first.
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
from pilot.graph.status import ExecutionStatus
from workflows_def.messages import UPDATE_DELIVER, Delivery, Receipt

AT_ONCE = 50
WARM_UP = 50
SOON_S = 1.0

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
    """So many runs that wait, by what the worker has written of them."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one() -> Handle:
        async with room:
            return await bench.start_saved(workflow_id, GRAPH, "x" * 100)

    handles = list(await asyncio.gather(*(one() for _ in range(number))))
    while True:
        counts = await bench.store.open_counts()
        found = counts.get(ExecutionStatus.WAITING)
        if found is not None and found.count >= number:
            return handles
        await asyncio.sleep(0.2)


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
    parser.add_argument("--told", type=int, default=200, help="of the runs, one after another")
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
        told = random.Random(1).sample(handles, min(given.told, len(handles)))
        took = sorted([await tell(handle) for handle in told])
        after = worker.parts_mb()
    grown = (during - before) * 1024 / given.runs
    print(f"{given.runs} runs wait, {given.cached} in the worker's memory")
    print(f"worker: {before:.0f} MB before, {during:.0f} with them ({grown:.1f} KB a run)")
    print(f"        {sum(after.values()):.0f} MB when {len(told)} of them have gone on:")
    for part, size in after.items():
        print(f"        {size:.0f} MB {part}")
    print(
        f"from the signal to the run's end: median {statistics.median(took) * 1000:.0f} ms, ",
        end="",
    )
    print(f"99th percentile {took[int(len(took) * 0.99) - 1] * 1000:.0f} ms, ", end="")
    soon = sum(one <= SOON_S for one in took) / len(took)
    print(f"most {took[-1] * 1000:.0f} ms; {soon:.1%} within {SOON_S:g} s")


if __name__ == "__main__":
    asyncio.run(main())
