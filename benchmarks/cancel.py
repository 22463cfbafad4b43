"""How long a cancel takes, from the POST to the status `cancelled` and to the end of the work.

`python -m benchmarks.cancel [--runs N]`, on a real `pilot dev`. Three nodes that would never end by
themselves: an http call that gets no answer, a model that goes silent in the middle of its answer,
and a loop in the sandbox. The work has ended when the server outside sees its connection closed,
or when the sandbox's process is gone.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.stack import Stack, execute, finished, save

LIMIT_S = 30
POLL_S = 0.01
TOKEN = (
    'data: {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": '
    '[{"index": 0, "delta": {"role": "assistant", "content": "once"}, "finish_reason": null}]}\n\n'
)

Ended = Callable[[], Awaitable[float]]
"""Waits for the end of the work; when that was, by `time.monotonic`."""


class Silent:
    """A server that never ends an answer: nothing at all, or after one token of a model's."""

    def __init__(self) -> None:
        self.url = ""
        self._began: asyncio.Queue[asyncio.Future[float]] = asyncio.Queue()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        closed: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        if head.startswith(b"POST"):
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                b"Connection: close\r\n\r\n" + TOKEN.encode()
            )
            await writer.drain()
        self._began.put_nowait(closed)
        try:
            while await reader.read(65_536):
                pass
        except ConnectionError:
            pass
        closed.set_result(time.monotonic())
        writer.close()

    async def begun(self) -> Ended:
        closed = await asyncio.wait_for(self._began.get(), LIMIT_S)

        async def ended() -> float:
            return await closed

        return ended


class Spinning:
    """The sandbox's processes below the stack: the one that computes is the node's."""

    def __init__(self, stack: Stack) -> None:
        self._worker = psutil.Process(stack.state()["worker"]["pid"])

    def _cpu_s(self) -> dict[psutil.Process, float]:
        found = {}
        for process in self._worker.children(recursive=True):
            try:
                found[process] = process.cpu_times().user
            except psutil.NoSuchProcess:
                continue
        return found

    async def begun(self) -> Ended:
        async with asyncio.timeout(LIMIT_S):
            while True:
                before = self._cpu_s()
                await asyncio.sleep(0.5)
                for process, seconds in self._cpu_s().items():
                    if seconds - before.get(process, seconds) > 0.1:
                        return self._end_of(process)

    @staticmethod
    def _end_of(process: psutil.Process) -> Ended:
        async def ended() -> float:
            while True:
                if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                    return time.monotonic()
                await asyncio.sleep(POLL_S)

        return ended


def graph(node: dict[str, Any]) -> dict[str, Any]:
    return {
        "nodes": [
            {"id": "start", "type": "start"},
            {"id": "node", **node},
            {"id": "output", "type": "output"},
        ],
        "edges": [
            {"source": "start", "target": "node"},
            {"source": "node", "target": "output"},
        ],
    }


async def one(
    client: httpx.AsyncClient, workflow: str, begun: Callable[[], Awaitable[Ended]]
) -> tuple[float, float]:
    """Seconds from the POST to the status, and to the end of the work."""
    id = await execute(client, workflow)
    ended = await begun()
    posted = time.monotonic()
    work = asyncio.ensure_future(ended())
    answer = await client.post(f"/api/v1/executions/{id}/cancel")
    assert answer.status_code == 202, answer.text
    while (await client.get(f"/api/v1/executions/{id}")).json()["status"] != "cancelled":
        await asyncio.sleep(POLL_S)
        assert time.monotonic() - posted < LIMIT_S, "it is not cancelled"
    status_s = time.monotonic() - posted
    work_s = await asyncio.wait_for(work, LIMIT_S) - posted
    await finished(client, id)
    return status_s, work_s


async def main(runs: int) -> None:
    silent = Silent()
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    silent.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    http = {"type": "http", "config": {"url": silent.url}}
    llm = {"type": "llm", "config": {"model": "m", "prompt_template": "tell me"}}
    source = "def main(input):\n    while True:\n        pass"
    code = {"type": "code", "config": {"source": source, "limits": {"time_s": 120}}}
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder), PILOT_LLM_API_BASE=f"{silent.url}/v1", PILOT_LLM_API_KEY="none")
        try:
            print(
                f"{'seconds from the POST, ' + str(runs) + ' runs':<34} {'median':>8} {'worst':>8}"
            )
            async with stack.client() as client:
                for name, node, begun in (
                    ("http", http, silent.begun),
                    ("llm", llm, silent.begun),
                    ("code", code, Spinning(stack).begun),
                ):
                    workflow = await save(client, graph(node))
                    taken = [await one(client, workflow, begun) for _ in range(runs)]
                    for index, what in enumerate(("status `cancelled`", "the work has ended")):
                        seconds = [both[index] for both in taken]
                        line = f"{statistics.median(seconds):>8.2f} {max(seconds):>8.2f}"
                        print(f"{name + ': ' + what:<34} {line}", flush=True)
        finally:
            stack.stop()
            server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    asyncio.run(main(parser.parse_args().runs))
