"""Watchers for benchmarks: a process of WebSockets that only note what came when.

`python -m benchmarks.watchers`, told on stdin where to connect. It parses nothing while it
watches, so that its own slowness is not measured as the server's.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import uvloop
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

READY, DONE = b"ready\n", b"done\n"
MAX_LINE_BYTES = 64 * 1024 * 1024


class Watcher(asyncio.Protocol):
    """One WebSocket. `chunks` are what came, each with its time."""

    def __init__(self, url: str, token: str) -> None:
        self.chunks: list[tuple[float, bytes]] = []
        self.is_open = asyncio.get_running_loop().create_future()
        self._protocol = ClientProtocol(
            parse_uri(url), extensions=[ClientPerMessageDeflateFactory()], max_size=None
        )
        self._token = token

    def connection_made(self, transport: Any) -> None:
        request = self._protocol.connect()
        request.headers["Authorization"] = f"Bearer {self._token}"
        self._protocol.send_request(request)
        transport.write(b"".join(self._protocol.data_to_send()))

    def data_received(self, data: bytes) -> None:
        self.chunks.append((time.time(), data))
        if not self.is_open.done():
            self.is_open.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.is_open.done():
            self.is_open.set_exception(error or ConnectionError("closed"))

    def messages(self) -> list[tuple[float, dict[str, Any]]]:
        """What was said, with the time of its last byte."""
        return [
            (at, json.loads(frame.data)) for at, data in self.chunks for frame in self._frames(data)
        ]

    def _frames(self, data: bytes) -> list[Frame]:
        self._protocol.receive_data(data)
        events = self._protocol.events_received()
        return [one for one in events if isinstance(one, Frame) and one.opcode is Opcode.TEXT]


async def watch(url: str, tokens: list[tuple[str, str]]) -> None:
    """Opens a socket for each user and token, until a line comes; then prints their node ends.

    Watchers are on machines of their own: here they take only the time that is left.
    """
    os.nice(19)
    loop = asyncio.get_running_loop()
    where = urlsplit(url)
    watchers = []
    for user, token in tokens:
        _, watcher = await loop.create_connection(
            lambda user=user, token=token: Watcher(f"{url}/ws/{user}", token),  # type: ignore[misc]
            where.hostname,
            where.port,
        )
        await watcher.is_open
        watchers.append(watcher)
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    await asyncio.to_thread(sys.stdin.readline)
    seen = [
        [
            (at, message["execution_id"], message.get("node_id"))
            for at, message in watcher.messages()
            if message.get("type") == "node.succeeded"
        ]
        for watcher in watchers
    ]
    sys.stdout.buffer.write(json.dumps(seen).encode() + b"\n")
    sys.stdout.buffer.flush()


@dataclass(slots=True)
class Watched:
    """By watcher: the time, execution and node of each node's end that it was told of."""

    seen: list[list[tuple[float, str, str]]]


@asynccontextmanager
async def watching(url: str, tokens: list[tuple[str, str]]) -> AsyncIterator[Watched]:
    """Watchers in a process of their own; what they saw is there afterwards."""
    watched = Watched([])
    if not tokens:
        yield watched
        return
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.watchers"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=MAX_LINE_BYTES,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps([url, tokens]).encode() + b"\n")
    if await process.stdout.readline() != READY:
        raise SystemExit("the watchers could not connect")
    try:
        yield watched
        process.stdin.write(DONE)
        watched.seen = json.loads(await process.stdout.readline())
    finally:
        process.stdin.close()
        await process.wait()


if __name__ == "__main__":
    # the cheapest there is: watchers are to take little of what is measured
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(watch(*json.loads(sys.stdin.readline())))
