"""The interpreter against a workflow written by hand, at 1, 10 and 100 runs at a time.

`python -m benchmarks.overhead [--rounds N] [--at-once 1 10 100] [--only TEXT]`. Chains of 10 and
100 nodes, a fan-out of 100, and the chatbot (a model call, answered on loopback). Both sides run
the same activities, with the same arguments and policies, in one worker process. πlot's side has
its start and output node besides, keeps its events and writes each run to the store; by hand the
workflow is compared twice: alone, and with an activity that writes its outcome, one row, to the
same database. Compared are the wall time of a batch, the worker's processor time for it, and the
bytes of a run's history.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle

from benchmarks.by_hand import Chain, ChainByHand
from benchmarks.chain import CODE, graph_of
from benchmarks.loop import shape
from benchmarks.paired import HEADER, Comparison, keep
from benchmarks.separate_worker import WorkerProcess, separate_worker
from benchmarks.stack import Stack, history_bytes, idle_stack
from pilot.graph.model import Graph
from tests.openai_server import openai_server

CHATBOT = Path(__file__).parents[1] / "examples" / "simple_chatbot.json"
VARIABLE = {"assignments": {"v": "{input}"}}
Handle = WorkflowHandle[Any, Any]


@dataclass(frozen=True)
class Work:
    """The same work as a graph and as a workflow written by hand."""

    name: str
    graph: Graph
    by_hand: Chain
    input: Any = 0


def works() -> list[Work]:
    chatbot = Graph.model_validate(json.loads(CHATBOT.read_text()))
    asked = {"message": "Hello"}
    config = next(node.config for node in chatbot.nodes if node.type == "llm")
    ask = {key: value for key, value in config.items() if key != "name"}
    return [
        *(
            Work(
                f"chain of {size}",
                graph_of("code", CODE, size),
                Chain("code", False, [CODE] * size, 0),
            )
            for size in (10, 100)
        ),
        Work(
            "fan-out of 100",
            shape("fan-out", 100, "code"),
            Chain("code", False, [{"source": "def main(input):\n    return 1"}] * 100, 0, True),
        ),
        Work("chatbot", chatbot, Chain("llm", False, [ask], asked), asked),
        *(
            Work(
                f"pure chain of {size}",
                graph_of("variable", VARIABLE, size),
                Chain("variable", True, [VARIABLE] * size, 0),
            )
            for size in (10, 100)
        ),
    ]  # fmt: skip


@dataclass
class Batch:
    """What runs at once on one side, with the figures of each batch so far."""

    worker: WorkerProcess
    start: Callable[[], Awaitable[Handle]]
    at_once: int
    wall_s: list[float]
    cpu_s: list[float]
    last: Handle | None = None

    async def run(self) -> None:
        cpu, wall = self.worker.cpu_s(), time.perf_counter()
        handles = await asyncio.gather(*(self._one() for _ in range(self.at_once)))
        self.wall_s.append(time.perf_counter() - wall)
        self.cpu_s.append(self.worker.cpu_s() - cpu)
        self.last = handles[0]

    async def _one(self) -> Handle:
        handle = await self.start()
        await handle.result()
        return handle


async def overhead(
    bench: Stack, worker: WorkerProcess, work: Work, at_once: int, rounds: int
) -> list[Comparison]:
    workflow_id = await bench.save(work.graph)

    async def ours() -> Handle:
        return await bench.start_saved(workflow_id, work.graph, work.input)

    async def by_hand(recorded: bool) -> Handle:
        return await bench.client.start_workflow(
            ChainByHand.run,
            replace(work.by_hand, recorded=recorded),
            id=str(uuid.uuid4()),
            task_queue=bench.task_queue,
        )

    starts = (ours, partial(by_hand, True), partial(by_hand, False))
    sides = [Batch(worker, start, at_once, [], []) for start in starts]
    for batch in sides:  # one that does not count
        await batch.run()
        batch.wall_s.clear()
        batch.cpu_s.clear()
    for round_ in range(rounds):
        for batch in sides if round_ % 2 == 0 else sides[::-1]:
            await batch.run()
    mine, recorded, alone = sides
    name = f"{work.name}, {at_once} at once"
    return [
        *await compared(name, mine, recorded),
        *await compared(f"{name}, unrecorded", mine, alone),
    ]


async def compared(name: str, mine: Batch, hand: Batch) -> list[Comparison]:
    assert mine.last is not None
    assert hand.last is not None
    my_events, my_bytes = await history_bytes(mine.last)
    their_events, their_bytes = await history_bytes(hand.last)
    return [
        Comparison(f"{name}: wall", "s", mine.wall_s, hand.wall_s),
        Comparison(f"{name}: CPU", "s", mine.cpu_s, hand.cpu_s),
        Comparison(f"{name}: history", "bytes", [my_bytes], [their_bytes]),
        Comparison(f"{name}: history", "events", [my_events], [their_events]),
    ]


async def main(rounds: int, batches: list[int], only: str) -> None:
    comparisons: list[Comparison] = []
    async with (
        openai_server() as model,
        idle_stack() as bench,
        separate_worker(bench, PILOT_LLM_API_BASE=model.base_url) as worker,
    ):
        print(HEADER)
        for work in works():
            for at_once in batches:
                if only in work.name:
                    times = rounds if at_once == 1 else max(2, rounds // at_once)
                    found = await overhead(bench, worker, work, at_once, times)
                    comparisons += found
                    print("\n".join(one.line() for one in found), flush=True)
    print(f"kept in {keep('overhead', comparisons).name}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21, help="of single runs; fewer of many")
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--only", default="", help="a part of a name")
    given = parser.parse_args()
    asyncio.run(main(given.rounds, given.at_once, given.only))
