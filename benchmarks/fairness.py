"""One owner's crowd of queued runs, and how long another owner's single run takes behind it.

`python -m benchmarks.fairness [--crowd 1000] [--rounds 5]`. A server, and a worker whose slots the
crowd fills. Three figures a round, of the same graph (a chain of three http nodes whose server
takes 0.2 s): the single run alone; behind the crowd, as another owner's; and behind it as one of
the crowd's own owner, for whom it is served in the order of coming: what everybody would have
without fairness.

With `--max-runs N` it is as in production, where of an owner's runs N are under way and the others
wait in the store (`PILOT_MAX_RUNS_PER_USER`): the crowd comes once, and all rounds' single runs
follow each other behind it, while more than N of it are left. So one of 10,000 need not be waited
for.
"""

from __future__ import annotations

import argparse
import asyncio
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.client import WorkflowHandle
from temporalio.worker import Worker

from benchmarks.chain import graph_of
from benchmarks.delays import Delays, table
from benchmarks.paired import Comparison, keep
from benchmarks.stack import Stack, idle_stack
from pilot.graph.compile import compile_plan
from pilot.graph.model import Graph
from pilot.graph.status import ExecutionStatus
from pilot.nodes import specs
from pilot.runs import run_of, start
from pilot.store import Execution

CROWD_OWNER, OTHER = "crowd", "other"
NODES = 3
ANSWER_S = 0.2
SLOTS = 10
AT_ONCE = 4
LIMIT = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Bench:
    """A stack, and a graph that each of the two owners has stored."""

    stack: Stack
    graph: Graph
    workflows: dict[str, str]


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that takes its time."""
    try:
        while await reader.readuntil(b"\r\n\r\n"):
            await asyncio.sleep(ANSWER_S)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
        pass
    finally:
        writer.close()


async def queued(bench: Bench, owner: str, most: int | None = None) -> Execution:
    """A row. It is written ahead: SQLite has one writer, and the crowd's events keep it busy."""
    workflow_id = bench.workflows[owner]
    row = Execution(
        id=str(uuid.uuid4()),
        owner=owner,
        workflow_id=workflow_id,
        workflow_version=1,
        status=ExecutionStatus.QUEUED,
        input=None,
        created_at=datetime.now(UTC),
    )
    row, _ = await bench.stack.store.create_execution(row, most=most)
    return row


async def begin(bench: Bench, row: Execution) -> WorkflowHandle[Any, Any]:
    run = run_of(row, "fairness", compile_plan(bench.graph, specs()))
    await start(bench.stack.client, run, bench.stack.task_queue, limit=LIMIT)
    return bench.stack.client.get_workflow_handle(row.temporal_workflow_id)


async def latency(bench: Bench, row: Execution, parts: list[Delays] | None = None) -> float:
    """Seconds from the start of a run to its result, and where they went."""
    began = time.time()
    handle = await begin(bench, row)
    await handle.result()
    ended = time.time()
    if parts is not None:
        parts.append(await Delays.of(handle, began, ended))
    return ended - began


async def behind(bench: Bench, owner: str, crowd: int) -> float:
    """The same behind a crowd, which is ended afterwards."""
    rows = [await queued(bench, CROWD_OWNER) for _ in range(crowd)]
    single = await queued(bench, owner)
    runs: list[WorkflowHandle[Any, Any]] = []
    for first in range(0, crowd, AT_ONCE):
        runs += await asyncio.gather(*(begin(bench, row) for row in rows[first : first + AT_ONCE]))
    taken = await latency(bench, single)
    open_runs = await bench.stack.client.count_workflows("ExecutionStatus = 'Running'")
    print(f"  {owner}: {taken:.2f} s, {open_runs.count} of {crowd} still open", flush=True)
    await asyncio.gather(*(run.result() for run in runs))
    return taken


async def admitted(bench: Bench, crowd: int, rounds: int, most: int) -> Comparison:
    """Single runs behind a crowd of which so many are under way."""
    alone: list[Delays] = []
    parts: list[Delays] = []
    lone = [await latency(bench, await queued(bench, OTHER), alone) for _ in range(rounds)]
    singles = [await queued(bench, OTHER) for _ in range(rounds)]
    rows = [await queued(bench, CROWD_OWNER, most) for _ in range(crowd)]
    await asyncio.gather(*(begin(bench, row) for row in rows if not row.is_held))
    figures: list[float] = []
    for single in singles:
        figures.append(await latency(bench, single, parts))
        held = await bench.stack.store.slots.position(rows[-1])
        print(f"  {figures[-1]:.2f} s, {held} of {crowd} not begun", flush=True)
        assert held > 0, "the crowd has gone: take a larger one, or fewer rounds"
    print(table(alone, parts), flush=True)
    return Comparison(f"behind {crowd}, {most} under way / alone", "s", figures, lone)


async def main(crowd: int, rounds: int, workflow_tasks: int, max_runs: int | None) -> None:
    lone: list[float] = []
    other: list[float] = []
    same: list[float] = []
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    graph = graph_of("http", {"url": f"http://127.0.0.1:{port}/"}, NODES)
    async with (
        server,
        idle_stack(
            allowed_hosts=["127.0.0.1"], allowed_ports=[str(port)], max_runs=max_runs
        ) as stack,
        Worker(
            stack.client,
            task_queue=stack.task_queue,
            max_concurrent_activities=SLOTS,
            max_concurrent_workflow_tasks=workflow_tasks,
        ),
    ):
        workflows = {
            owner: (
                await stack.store.create_workflow(
                    owner, name="fairness", description="", graph=graph.to_json()
                )
            ).id
            for owner in (CROWD_OWNER, OTHER)
        }
        bench = Bench(stack, graph, workflows)
        await latency(bench, await queued(bench, OTHER))
        if max_runs is not None:
            comparison = await admitted(bench, crowd, rounds, max_runs)
            print(comparison.line())
            print(f"kept in {keep('fairness', [comparison]).name}", flush=True)
            return
        for round_ in range(rounds):
            lone.append(await latency(bench, await queued(bench, OTHER)))
            pair = [(OTHER, other), (CROWD_OWNER, same)]
            for owner, figures in pair if round_ % 2 == 0 else reversed(pair):
                figures.append(await behind(bench, owner, crowd))
    comparisons = [
        Comparison(f"behind {crowd} of another owner / alone", "s", other, lone),
        Comparison(f"behind {crowd} of their own / alone", "s", same, lone),
    ]
    print(f"{'':<34} {'behind':>10} {'alone':>10} {'':<6} {'ratio':>6}  (spread)")
    print("\n".join(one.line() for one in comparisons))
    print(f"kept in {keep('fairness', comparisons).name}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crowd", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workflow-tasks", type=int, default=100)
    parser.add_argument("--max-runs", type=int)
    given = parser.parse_args()
    asyncio.run(main(given.crowd, given.rounds, given.workflow_tasks, given.max_runs))
