"""What watching costs: a run's time and history, the way to a watcher, an idle one's memory.

On `pilot dev` as it comes: `python -m benchmarks.live`.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import psutil
from temporalio.client import Client

from benchmarks.paired import Comparison, compare, keep
from benchmarks.watchers import watching
from tests.stack import Stack, finished, save

USER = "tester"
WATCHERS = (1, 100)
NODES = 20
SETTLE_S = 2.0
SETTLED_S = 0.5
IDLE_WATCHERS = 2_000
USERS = 20


class Model:
    """An HTTP server that answers after a while, as models do, and notes when it has."""

    def __init__(self, takes_s: float) -> None:
        self.answered: dict[str, float] = {}
        self.url = ""
        self._takes_s = takes_s

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield
        server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        name = head.split()[1].decode().lstrip("/")
        await asyncio.sleep(self._takes_s)
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
            b"Connection: close\r\n\r\n{}"
        )
        await writer.drain()
        self.answered[name] = time.time()
        writer.close()


def chain(*nodes: dict[str, Any]) -> dict[str, Any]:
    all_nodes = [
        {"id": "start", "type": "start", "config": {}},
        *nodes,
        {"id": "output", "type": "output", "config": {}},
    ]
    edges = [{"source": a["id"], "target": b["id"]} for a, b in pairwise(all_nodes)]
    return {"nodes": all_nodes, "edges": edges}


def http_chain(model: Model) -> dict[str, Any]:
    """The run's id in the address tells the model whose node's end it is."""
    return chain(
        *(
            {
                "id": f"h{n}",
                "type": "http",
                "config": {"url": f"{model.url}/{{execution.id}}.h{n}"},
            }
            for n in range(NODES)
        )
    )


def busy_chain() -> dict[str, Any]:
    """Nothing but small code nodes: all of the run is the machine's work."""
    config = {"source": "def main(input):\n    return input"}
    return chain(*({"id": f"c{n}", "type": "code", "config": config} for n in range(60)))


class Bench:
    def __init__(self, stack: Stack, client: httpx.AsyncClient, temporal: Client) -> None:
        self.stack = stack
        self.lengths: set[int] = set()
        self.client = client
        self._temporal = temporal

    @property
    def ws(self) -> str:
        return f"ws{self.stack.url.removeprefix('http')}"

    def tokens(self, count: int) -> list[tuple[str, str]]:
        token = self.stack.token(USER)
        return [(USER, token)] * count

    async def run(self, workflow: str) -> float:
        """Seconds of one run, by its own times; its history's length is noted."""
        answer = await self.client.post(
            f"/api/v1/workflows/{workflow}/execute?wait=30", json={"input": "hi"}
        )
        execution = await finished(self.client, answer.json()["id"])
        assert execution["status"] == "succeeded", execution
        history = await self._temporal.get_workflow_handle(
            execution["temporal"]["workflow_id"]
        ).fetch_history()
        self.lengths.add(len(history.events))
        began, ended = (
            datetime.fromisoformat(execution[f"{at}_at"]) for at in ("started", "finished")
        )
        return (ended - began).total_seconds()

    async def watched(self, workflow: str, watchers: int) -> float:
        async with watching(self.ws, self.tokens(watchers)):
            # a hundred handshakes are no part of a run, and neither are none
            await asyncio.sleep(SETTLED_S)
            return await self.run(workflow)


async def cost(bench: Bench, name: str, graph: dict[str, Any], rounds: int) -> list[Comparison]:
    """The ratio of a watched run's time to an unwatched one's, pair by pair."""
    workflow = await save(bench.client, graph)
    found = []
    for watchers in WATCHERS:
        bench.lengths.clear()
        one = await compare(
            f"{name}, {watchers} watching",
            lambda watchers=watchers: bench.watched(workflow, watchers),  # type: ignore[misc]
            lambda: bench.watched(workflow, 0),
            rounds=rounds,
        )
        print(one.line(), f" history: {sorted(bench.lengths)} events")
        found.append(one)
    return found


async def latency(bench: Bench, model: Model, runs: int) -> Comparison:
    """From a node's end (its server has answered) to its event at each of 100 watchers."""
    workflow = await save(bench.client, http_chain(model))
    async with watching(bench.ws, bench.tokens(WATCHERS[-1])) as watched:
        for _ in range(runs):
            await bench.run(workflow)
    took = sorted(
        (at - model.answered[key]) * 1000
        for watcher in watched.seen
        for at, execution, node in watcher
        if (key := f"{execution}.{node}") in model.answered
    )
    assert len(took) == WATCHERS[-1] * runs * NODES, len(took)
    p99 = took[int(len(took) * 0.99)]
    print(
        f"node's end to watcher: median {statistics.median(took):.1f} ms, p99 {p99:.1f} ms, "
        f"most {took[-1]:.1f} ms, of {len(took)} messages"
    )
    return Comparison("latency p99 and median", "ms", [p99], [statistics.median(took)])


async def memory(stack: Stack) -> Comparison:
    """The API process's resident memory before and with 2,000 idle watchers."""
    process = psutil.Process(stack.state()["api"]["pid"])
    before = process.memory_info().rss / 1e6
    users = [(f"idle-{n}", stack.token(f"idle-{n}")) for n in range(USERS)]
    url = f"ws{stack.url.removeprefix('http')}"
    async with watching(url, users * (IDLE_WATCHERS // USERS)):
        await asyncio.sleep(SETTLE_S)
        during = process.memory_info().rss / 1e6
    each = (during - before) * 1000 / IDLE_WATCHERS
    print(f"API process: {before:.0f} MB alone, {during:.0f} MB with {IDLE_WATCHERS} idle watchers")
    print(f"             {each:.1f} KB each")
    return Comparison("2,000 idle watchers", "MB", [during], [before])


async def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder), PILOT_CONNECTIONS_PER_ADDRESS=str(2 * IDLE_WATCHERS))
        model = Model(takes_s=0.05)
        try:
            found = [await memory(stack)]
            async with model.serving(), stack.client(USER) as client:
                temporal = await Client.connect(stack.state()["temporal"]["address"])
                bench = Bench(stack, client, temporal)
                found.append(await latency(bench, model, runs=rounds))
                found += await cost(bench, f"{NODES} nodes of 50 ms", http_chain(model), rounds)
                found += await cost(bench, "60 code nodes", busy_chain(), rounds)
        finally:
            stack.stop()
    print(f"kept in {keep('live', found)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    asyncio.run(main(parser.parse_args().rounds))
