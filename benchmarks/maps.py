"""Maps of many items: how long they take, how long any history becomes, and the worker's memory.

`python -m benchmarks.maps [--items 1000,10000] [--parallelism 100]`. Server and worker are in one
process tree; the memory is that of the process that the worker is in, at its highest.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Any

import psutil

from benchmarks.stack import Stack, stack
from pilot.graph.model import Graph
from tests.workflows_def.bodies import histories


def graph(parallelism: int) -> Graph:
    body = {
        "nodes": [
            {"id": "add", "type": "code", "config": {"source": "def main(item):\n    item + 1"}}
        ],
        "edges": [],
    }
    return Graph.model_validate(
        {
            "nodes": [
                {"id": "start", "type": "start"},
                {"id": "each", "type": "map", "config": {"body": body, "parallelism": parallelism}},
                {"id": "output", "type": "output"},
            ],
            "edges": [
                {"source": "start", "target": "each"},
                {"source": "each", "target": "output"},
            ],
        }
    )


async def highest(done: asyncio.Event) -> float:
    """The resident memory of this process at its highest, in MB, until then."""
    process, most = psutil.Process(), 0.0
    while not done.is_set():
        most = max(most, process.memory_info().rss / 1e6)
        await asyncio.sleep(0.1)
    return most


async def measure(bench: Stack, items: int, parallelism: int) -> None:
    done = asyncio.Event()
    watching = asyncio.create_task(highest(done))
    began = time.perf_counter()
    handle = await bench.start_graph(graph(parallelism), list(range(items)))
    result: list[Any] = await handle.result()
    took = time.perf_counter() - began
    done.set()
    assert len(result) == items
    lengths = [len(one.events) for one in await histories(bench.client, handle.id)]
    print(
        f"{items:,} items, {parallelism} at once: {took:.1f} s, {1e3 * took / items:.1f} ms an "
        f"item; histories: the run's {lengths[0]}, of {len(lengths) - 1} windows at most "
        f"{max(lengths[1:])} events; memory at most {await watching:.0f} MB",
        flush=True,
    )


async def main(sizes: list[int], parallelism: int) -> None:
    async with stack([]) as bench:
        await measure(bench, 100, parallelism)  # loads what is loaded once
        for items in sizes:
            await measure(bench, items, parallelism)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", default="1000,10000")
    parser.add_argument("--parallelism", type=int, default=100)
    given = parser.parse_args()
    asyncio.run(main([int(size) for size in given.items.split(",")], given.parallelism))
