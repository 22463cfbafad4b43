"""Big graphs: what chains, fan-outs and layers of 1,000 and 5,000 nodes cost each part.

`python -m benchmarks.graphs [--nodes 1000 5000] [--no-runs] [--only TEXT]`. For each graph:
validation, saving and loading it with the store (SQLite); the schedule alone, by node; a run of it,
with the longest activation of its workflow by its own processor time; and the replay of that run
from its history, which is what a worker that takes it over has to do. Then validation, saving and
loading of 10,000 nodes. Single figures of one process.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from temporalio.worker import Replayer, Worker

from benchmarks.activations import TimedRunner
from benchmarks.loop import shape
from benchmarks.paired import RESULTS
from benchmarks.stack import USER, Stack, idle_stack
from pilot.graph.compile import compile_plan
from pilot.graph.model import Graph
from pilot.graph.plan import Plan
from pilot.graph.schedule import Schedule
from pilot.graph.spec import DEFAULT_HANDLE
from pilot.graph.validate import validate
from pilot.nodes import specs
from worker import warm_up

LARGEST = 9_998
"""With start and output 10,000, the most that a graph may have."""
MAX_LAYERED = 4_000
"""Layers of ten have ten edges a node, and a graph 40,000 at most."""
SHAPES = ("chain", "fan-out", "layers")


@dataclass(frozen=True)
class Figures:
    """Seconds, but for the schedule: microseconds a node. None: not measured."""

    graph: str
    validate_s: float
    save_s: float
    load_s: float
    schedule_us: float
    run_s: float | None = None
    activations: int | None = None
    longest_s: float | None = None
    events: int | None = None
    replay_s: float | None = None

    def line(self) -> str:
        """Milliseconds, but for the run's seconds and the schedule."""
        cells = [
            f"{self.graph:<26}",
            *(f"{one * 1000:>8.0f}" for one in (self.validate_s, self.save_s, self.load_s)),
            f"{self.schedule_us:>8.1f}",
        ]
        if self.run_s is not None and self.longest_s is not None and self.replay_s is not None:
            cells.append(f"{self.run_s:>8.2f} {self.activations:>6}")
            cells.append(f"{self.longest_s * 1000:>8.0f} {self.events:>7} {self.replay_s:>8.2f}")
        return " ".join(cells)


HEADER = (
    f"{'':<26} {'validate':>8} {'save':>8} {'load':>8} {'µs/node':>8} "
    f"{'run s':>8} {'activ.':>6} {'longest':>8} {'events':>7} {'replay s':>8}"
)


def timed(run: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def drive(plan: Plan) -> None:
    """The schedule alone: every node succeeds at once."""
    schedule = Schedule(plan)
    ready = schedule.begin().ready
    for node_id in ready:
        schedule.started(node_id)
        ready += schedule.completed(node_id, [DEFAULT_HANDLE]).ready
    assert schedule.finished


async def stored(bench: Stack, graph: Graph) -> tuple[float, float]:
    """Seconds to save the graph, and to load it as a graph again."""
    begin = time.perf_counter()
    workflow = await bench.store.create_workflow(
        USER, name="big", description="", graph=graph.to_json()
    )
    saved = time.perf_counter()
    loaded = await bench.store.get_workflow(USER, workflow.id)
    assert len(Graph.model_validate(loaded.graph).nodes) == len(graph.nodes)
    return saved - begin, time.perf_counter() - saved


async def still(bench: Stack, name: str, graph: Graph) -> Figures:
    """What a graph costs before it runs."""
    validate_s = timed(lambda: validate(graph, specs()))
    save_s, load_s = await stored(bench, graph)
    plan = compile_plan(graph, specs())
    schedule_s = timed(lambda: drive(plan))
    return Figures(name, validate_s, save_s, load_s, schedule_s / len(plan.nodes) * 1e6)


async def run(bench: Stack, graph: Graph, before: Figures) -> Figures:
    runner = TimedRunner()
    handle = await bench.start_graph(graph, 0)  # to compile and send the plan is the API's work
    gc.collect()
    gc.freeze()  # nor does a worker hold the graph: it would be searched for garbage all the time
    begin = time.perf_counter()
    async with Worker(bench.client, task_queue=bench.task_queue, workflow_runner=runner):
        await handle.result()
        run_s = time.perf_counter() - begin
    history = await handle.fetch_history()
    replayer = Replayer(workflows=[], plugins=[bench.plugin])
    begin = time.perf_counter()
    await replayer.replay_workflow(history)
    replay_s = time.perf_counter() - begin
    return Figures(
        **{
            **asdict(before),
            "run_s": run_s,
            "activations": len(runner.activations),
            "longest_s": max(one.cpu_s for one in runner.activations),
            "events": len(history.events),
            "replay_s": replay_s,
        }
    )


async def main(sizes: list[int], only: str, *, runs: bool) -> None:
    warm_up()
    figures: list[Figures] = []
    print(HEADER)
    async with idle_stack() as bench:
        # a process's first worker reads all modules for its build id, and its first run imports
        await run(
            bench, shape("chain", 10, "code"), await still(bench, "", shape("chain", 2, "code"))
        )
        for size, type, name in itertools.product(sizes, ("code", "variable"), SHAPES):
            fitting = min(size, MAX_LAYERED) if name == "layers" else size
            label = f"{name} of {fitting:,} {type}"
            if only not in label:
                continue
            graph = shape(name, fitting, type)
            found = await still(bench, label, graph)
            if runs:
                found = await run(bench, graph, found)
            figures.append(found)
            print(found.line(), flush=True)
        for name in ("chain", "fan-out"):
            found = await still(bench, f"{name} of {LARGEST + 2:,}", shape(name, LARGEST, "code"))
            figures.append(found)
            print(found.line(), flush=True)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"graphs-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps([asdict(one) for one in figures], indent=1))
    print(f"kept in {path.name}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1_000, 5_000])
    parser.add_argument("--no-runs", action="store_true", help="validation, store, schedule alone")
    parser.add_argument("--only", default="", help="a part of a graph's name")
    given = parser.parse_args()
    asyncio.run(main(given.nodes, given.only, runs=not given.no_runs))
