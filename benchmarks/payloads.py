"""Large values: how long a run with one takes, what its history keeps of it, and the memory.

`python -m benchmarks.payloads [--megabytes 0.1,1,10,50] [--items 1000,10000]`. Each run fetches a
text of that size, a list of records or a file by an http node and gives it as its output; or it
maps so many items, each to a text of 1 KB, on `pilot dev` with a payload store in a folder. Worker,
API and server are processes of their own. The memory is how much higher a process's went than it
stood before, by the kernel's own high-water mark.
"""

from __future__ import annotations

import argparse
import asyncio
import http.server
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx
from temporalio.client import Client

from benchmarks.stack import history_bytes
from tests.stack import Stack

PIECE = b"x" * 65_536
RECORD = b'{"id": 1234567, "name": "a record", "tags": ["one", "two"], "share": 0.125, "of": null}'
KB = 1_024
LIMIT_S = 300
SETTLED_MB, SETTLED_S = 2, 2.0


class Bytes(http.server.BaseHTTPRequestHandler):
    """`/<count>`: so many bytes of text. `/json/<count>`: about as many of a list of records."""

    def do_GET(self) -> None:
        kind, _, count = self.path.strip("/").rpartition("/")
        left = int(count)
        self.send_response(200)
        self.send_header("Content-Type", "application/json" if kind else "text/plain")
        self.end_headers()
        if kind:
            left -= self.wfile.write(b"[" + RECORD)
            while left > 0:
                left -= self.wfile.write((b", " + RECORD) * 500)
            self.wfile.write(b"]")
        while left > 0:
            left -= self.wfile.write(PIECE[:left])

    def log_message(self, *_: Any) -> None:
        pass


def graph(node: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": "large",
        "nodes": [
            {"id": "start", "type": "start"},
            {"id": "large", **node},
            {"id": "output", "type": "output"},
        ],
        "edges": [
            {"source": "start", "target": "large"},
            {"source": "large", "target": "output"},
        ],
    }


def fetch(url: str, response: str = "auto") -> dict[str, Any]:
    return {"type": "http", "config": {"url": url, "response": response}, "timeout_s": 120}


def each(size: int = 1_000) -> dict[str, Any]:
    source = f"def main(item): return 'x' * {size}"
    make = {"id": "make", "type": "code", "config": {"source": source}}
    config = {"body": {"nodes": [make], "edges": []}, "parallelism": 100}
    return {"type": "map", "config": config}


class Memory:
    """A process's resident memory, in MB."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")

    def forget_highest(self) -> None:
        (self._folder / "clear_refs").write_text("5")

    @property
    def now(self) -> float:
        return self._read("VmRSS")

    @property
    def highest(self) -> float:
        return self._read("VmHWM")

    async def settled(self) -> None:
        """Waits while it grows by itself, as a worker loads what models need meanwhile."""
        before = 0.0
        async with asyncio.timeout(LIMIT_S):
            while abs(self.now - before) > SETTLED_MB:
                before = self.now
                await asyncio.sleep(SETTLED_S)

    def _read(self, name: str) -> float:
        lines = (self._folder / "status").read_text().splitlines()
        [value] = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
        return int(value) * KB / 1e6


async def run(client: httpx.AsyncClient, node: dict[str, Any], given: Any = None) -> dict[str, Any]:
    workflow = (await client.post("/api/v1/workflows", json=graph(node))).json()["id"]
    begun = await client.post(f"/api/v1/workflows/{workflow}/execute", json={"input": given})
    begun.raise_for_status()
    async with asyncio.timeout(LIMIT_S):
        while True:
            found: dict[str, Any] = (
                await client.get(f"/api/v1/executions/{begun.json()['id']}")
            ).json()
            if found["finished_at"]:
                return found
            await asyncio.sleep(0.05)


class Bench:
    """A stack, and what is measured of it."""

    def __init__(self, stack: Stack, temporal: Client, client: httpx.AsyncClient) -> None:
        state = stack.state()
        self._temporal = temporal
        self._client = client
        self._memory = {name: Memory(state[name]["pid"]) for name in ("worker", "api")}

    async def measure(self, what: str, node: dict[str, Any], given: Any = None) -> None:
        before = {name: one.now for name, one in self._memory.items()}
        for one in self._memory.values():
            one.forget_highest()
        began = time.perf_counter()
        found = await run(self._client, node, given)
        took = time.perf_counter() - began
        assert found["status"] == "succeeded", found["error"]
        more = {name: one.highest - before[name] for name, one in self._memory.items()}
        handle = self._temporal.get_workflow_handle(f"execution-{found['id']}")
        events, kept = await history_bytes(handle)
        began, read = time.perf_counter(), 0
        output = f"/api/v1/executions/{found['id']}/output"
        async with self._client.stream("GET", output) as answer:
            async for piece in answer.aiter_bytes():
                read += len(piece)
        print(
            f"{what}: {took:.2f} s, history {events} events and {kept / 1e3:.0f} KB, "
            f"worker +{more['worker']:.0f} MB, API +{more['api']:.0f} MB, "
            f"output of {read / 1e6:.1f} MB read in {time.perf_counter() - began:.2f} s",
            flush=True,
        )


async def measure(stack: Stack, origin: str, sizes: list[float], items: list[int]) -> None:
    temporal = await Client.connect(stack.state()["temporal"]["address"])
    async with stack.client() as client:
        bench = Bench(stack, temporal, client)
        for size in (1_000, 2_500_000):  # starts what is started once
            await asyncio.gather(*(run(client, fetch(f"{origin}/{size}")) for _ in range(6)))
        await Memory(stack.state()["worker"]["pid"]).settled()
        for megabytes in sizes:
            size = int(megabytes * 1e6)
            await bench.measure(f"{megabytes:g} MB of text", fetch(f"{origin}/{size}"))
            await bench.measure(f"{megabytes:g} MB of JSON", fetch(f"{origin}/json/{size}"))
            await bench.measure(f"{megabytes:g} MB as a file", fetch(f"{origin}/{size}", "file"))
        for count in items:
            await bench.measure(f"{count:,} items", each(), list(range(count)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", default="0.1,1,10,50")
    parser.add_argument("--items", default="1000,10000")
    given = parser.parse_args()
    sizes = [float(one) for one in given.megabytes.split(",") if one]
    items = [int(one) for one in given.items.split(",") if one]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bytes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(
            Path(folder), PILOT_PAYLOADS_MAX_MB="100", PILOT_ALLOWED_PORTS=f"80,443,{port}"
        )
        try:
            asyncio.run(measure(stack, f"http://127.0.0.1:{port}", sizes, items))
        finally:
            stack.stop()
            server.shutdown()


if __name__ == "__main__":
    main()
