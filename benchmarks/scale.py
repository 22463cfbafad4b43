"""What a run and a node cost each part, counted; and what that comes to at a rate of runs.

`python -m benchmarks.scale` counts on a real server, store and Redis: the difference between a
chain of 20 nodes and one of 10 is ten nodes, and what is left over is a run's own. These are counts
and no times, so they travel. From them it works out rates, and simulates the shards of Temporal's
history service. docs/scale.md says what follows.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from redis import Redis
from sqlalchemy import event
from sqlalchemy.engine import Engine
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle

from benchmarks.chain import CODE, graph_of
from benchmarks.stack import Stack, stack
from tests.redis_server import RedisServer

SMALL, LARGE = 10, 20
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "outside (an activity)": ("code", CODE),
    "pure (variable)": ("variable", {"assignments": {"v": "{input}"}}),
}
ACTIONS = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: 1,
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: 1,
    EventType.EVENT_TYPE_TIMER_STARTED: 1,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED: 1,
    EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: 1,
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED: 2,
}
"""What Temporal Cloud bills, by docs.temporal.io/cloud/actions; local activities are one action a
workflow task that has any."""

USD_PER_MILLION_ACTIONS = 50.0
"""The list price of the first tier, 2026."""
UPDATE_MS = 4.0
"""How long one update of a run holds its shard: a transaction of the persistence store."""
RATES = (10, 1_000, 100_000)
SHARDS = (512, 4_096, 16_384, 131_072)


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one run: events and bytes of its history, workflow and activity tasks, billable actions,
    SQL statements, transactions and rows written, Redis commands."""

    events: float
    bytes: float
    workflow_tasks: float
    activity_tasks: float
    actions: float
    statements: float
    transactions: float
    rows: float
    redis: float

    def over(self, other: Counts, by: float) -> Counts:
        return Counts(
            *((getattr(self, f.name) - getattr(other, f.name)) / by for f in fields(Counts))
        )

    def plus(self, other: Counts, times: float) -> Counts:
        return Counts(
            *(getattr(self, f.name) + times * getattr(other, f.name) for f in fields(Counts))
        )


@contextmanager
def statements() -> Iterator[Counter[str]]:
    """Counts what goes to any database meanwhile."""
    found: Counter[str] = Counter()

    def executed(_c: Any, cursor: Any, statement: str, *_: Any) -> None:
        found["statements"] += 1
        if statement.lstrip()[:6].upper() in {"INSERT", "UPDATE", "DELETE"}:
            found["rows"] += max(cursor.rowcount, 0)

    def committed(_c: Any) -> None:
        found["transactions"] += 1

    event.listen(Engine, "after_cursor_execute", executed)
    event.listen(Engine, "commit", committed)
    try:
        yield found
    finally:
        event.remove(Engine, "after_cursor_execute", executed)
        event.remove(Engine, "commit", committed)


async def history(handle: WorkflowHandle[Any, Any]) -> dict[str, float]:
    events = (await handle.fetch_history()).events
    kinds = Counter(one.event_type for one in events)
    with_local = {
        one.marker_recorded_event_attributes.workflow_task_completed_event_id
        for one in events
        if one.event_type == EventType.EVENT_TYPE_MARKER_RECORDED
        and one.marker_recorded_event_attributes.marker_name == "core_local_activity"
    }
    return {
        "events": len(events),
        "bytes": sum(one.ByteSize() for one in events),
        "workflow_tasks": kinds[EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED],
        "activity_tasks": kinds[EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED],
        "actions": len(with_local) + sum(ACTIONS.get(kind, 0) * n for kind, n in kinds.items()),
    }


async def count(bench: Stack, redis: Redis, type: str, config: Any, size: int) -> Counts:
    """The counts of the third run of a graph: by then all is cached that is cached."""
    graph = graph_of(type, config, size)
    for _ in range(3):
        await bench.publisher.flush()
        before = redis.info("stats")["total_commands_processed"]
        with statements() as sql:
            handle = await bench.start_graph(graph, 0)
            await handle.result()
            await bench.publisher.flush()
            await asyncio.sleep(0.3)
        commands = redis.info("stats")["total_commands_processed"] - before - 1
    found = await history(handle)
    of_store = {name: sql[name] for name in ("statements", "transactions", "rows")}
    return Counts(**found, **of_store, redis=commands)


def waits_ms(
    shards: int, updates_per_s: float, updates: int = 20_000
) -> tuple[float, float, float]:
    """How busy a shard is, and how long an update waits for it at the median and the 99th
    percentile: updates come at random, each holds the shard for `UPDATE_MS`."""
    rate = updates_per_s / shards
    busy = rate * UPDATE_MS / 1000
    if busy >= 1:
        return busy, math.inf, math.inf
    source = random.Random(7)
    now = free = 0.0
    found = []
    for _ in range(updates):
        now += source.expovariate(rate) * 1000
        found.append(max(0.0, free - now))
        free = max(free, now) + UPDATE_MS
    found.sort()
    return busy, found[updates // 2], found[int(updates * 0.99)]


def report(name: str, run: Counts, node: Counts, nodes: int) -> None:
    whole = run.plus(node, nodes)
    print(f"\n{name}: a run of {nodes} nodes, at runs a second of")
    print(f"{'':<26}" + "".join(f"{rate:>14,}" for rate in RATES))
    for label, one in (
        ("history events/s", whole.events),
        ("history MB/s", whole.bytes / 1e6),
        ("workflow tasks/s", whole.workflow_tasks),
        ("activity tasks/s", whole.activity_tasks),
        ("store transactions/s", whole.transactions),
        ("store rows/s", whole.rows),
        ("Redis commands/s", whole.redis),
        ("billable actions/s", whole.actions),
    ):
        print(f"{label:<26}" + "".join(f"{one * rate:>14,.0f}" for rate in RATES))
    # each task is scheduled, started and completed: an update of the run's state each
    updates = 3 * (whole.workflow_tasks + whole.activity_tasks)
    for shards in SHARDS:
        cells = []
        for rate in RATES:
            busy, _, late = waits_ms(shards, updates * rate)
            cells.append("over" if busy >= 1 else f"{busy:.0%}, {late:.0f} ms")
        print(f"{f'{shards:,} shards: busy, p99':<26}" + "".join(f"{cell:>14}" for cell in cells))
    cost = whole.actions / nodes * USD_PER_MILLION_ACTIONS
    print(f"a million such nodes: {whole.actions / nodes:.2f} million actions, {cost:.0f} USD")


async def measure() -> dict[str, tuple[Counts, Counts]]:
    """By kind of node: what a run costs without any, and what each costs."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            redis = Redis.from_url(server.url)
            async with stack([], server.url) as bench:
                for name, (type, config) in KINDS.items():
                    small = await count(bench, redis, type, config, SMALL)
                    large = await count(bench, redis, type, config, LARGE)
                    node = large.over(small, LARGE - SMALL)
                    found[name] = (small.plus(node, -SMALL), node)
        finally:
            server.kill()
    return found


async def main(nodes: int) -> None:
    found = await measure()
    for name, (run, node) in found.items():
        print(f"\n{name:<24}" + "".join(f"{f.name:>16}" for f in fields(Counts)))
        for label, one in (("a run by itself", run), ("each node", node)):
            print(f"{label:<24}" + "".join(f"{value:>16.1f}" for value in asdict(one).values()))
    for name, (run, node) in found.items():
        report(name, run, node, nodes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=10)
    asyncio.run(main(parser.parse_args().nodes))
