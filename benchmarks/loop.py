"""How long graphs of a thousand nodes keep a worker's event loop waiting.

`python -m benchmarks.loop [--nodes N] [--rounds N] [--profile]`. A worker in this process runs
a chain, a fan-out with its join, and layers; a task that sleeps a millisecond at a time records
how late it wakes up. A workflow's activations run in threads, but hold Python's lock in turn
with the loop: the longest of them is printed too, by the clock and by its own CPU time.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import itertools
import pstats
from typing import Any

from temporalio.worker import Worker

from benchmarks.activations import TimedRunner, lag
from benchmarks.stack import Stack, idle_stack
from pilot.graph.model import Graph
from worker import warm_up

CODE = {"source": "def main(input):\n    return 1"}
VARIABLE = {"assignments": {"v": "1"}}
LAYER = 10
HEADER = (
    f"{'':<28} {'seconds':>8}   {'lag ms':>6} {'p99':>6} {'max':>6}   "
    f"{'activations':>11} {'longest ms':>10} {'CPU ms':>7} {'jobs':>5} {'commands':>8}"
)


def shape(name: str, size: int, type: str) -> Graph:
    """A start, `size` nodes of the type in a chain, a fan-out or layers, and an output."""
    config = CODE if type == "code" else VARIABLE
    ids = [f"n{index}" for index in range(size)]
    if name == "chain":
        edges = list(itertools.pairwise(["start", *ids, "output"]))
    elif name == "fan-out":
        edges = [("start", id) for id in ids] + [(id, "output") for id in ids]
    else:
        rows = [ids[first : first + LAYER] for first in range(0, size, LAYER)]
        layers = [["start"], *rows, ["output"]]
        edges = [
            pair
            for above, below in itertools.pairwise(layers)
            for pair in itertools.product(above, below)
        ]
    nodes: list[dict[str, Any]] = [{"id": "start", "type": "start"}]
    nodes += [{"id": id, "type": type, "config": config} for id in ids]
    nodes.append({"id": "output", "type": "output", "config": {"value": "done"}})
    links = [{"source": source, "target": target} for source, target in edges]
    return Graph.model_validate({"nodes": nodes, "edges": links})


async def measure(bench: Stack, name: str, graph: Graph, rounds: int) -> str:
    """A line of figures: `rounds` runs one after the other, on one worker."""
    late: list[float] = []
    runner = TimedRunner()
    took = 0.0
    for _ in range(rounds):
        # started before the worker polls: to compile and send the plan is the API's work
        handle = await bench.start_graph(graph, 0)
        async with lag() as ticks:
            begin = asyncio.get_running_loop().time()
            async with Worker(bench.client, task_queue=bench.task_queue, workflow_runner=runner):
                await handle.result()
                took += asyncio.get_running_loop().time() - begin
                late += ticks
    late.sort()
    longest = max(runner.activations, key=lambda one: one.wall_s)
    return (
        f"{name:<28} {took / rounds:>8.2f}   {late[len(late) // 2] * 1000:>6.2f} "
        f"{late[len(late) * 99 // 100] * 1000:>6.1f} {late[-1] * 1000:>6.1f}   "
        f"{len(runner.activations) // rounds:>11} {longest.wall_s * 1000:>10.1f} "
        f"{longest.cpu_s * 1000:>7.1f} {longest.jobs:>5} {longest.commands:>8}"
    )


async def main(size: int, rounds: int, only: str) -> None:
    warm_up()
    print(HEADER)
    async with idle_stack() as bench:
        # a process's first worker reads all modules for its build id, 0.4 s, before it polls
        await measure(bench, "", shape("chain", LAYER, "code"), 1)
        for type, name in itertools.product(("code", "variable"), ("chain", "fan-out", "layers")):
            if only in (label := f"{name} of {size} {type}"):
                print(await measure(bench, label, shape(name, size, type), rounds), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="a part of a line's name")
    parser.add_argument("--profile", action="store_true", help="what the event loop's thread does")
    given = parser.parse_args()
    profile = cProfile.Profile()
    if given.profile:
        profile.enable()
    asyncio.run(main(given.nodes, given.rounds, given.only))
    if given.profile:
        profile.disable()
        pstats.Stats(profile).sort_stats("cumulative").print_stats(40)
