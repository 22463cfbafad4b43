"""A server outside of πlot that counts who asks it, and answers when the test says so."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any


class CountingServer:
    """`counts` the requests by path. A path of `held` is answered once its event is set; one of
    `failing` is answered by 500 so many times before it is answered well."""

    def __init__(self) -> None:
        self.url = ""
        self.counts: Counter[str] = Counter()
        self.held: dict[str, asyncio.Event] = {}
        self.failing: Counter[str] = Counter()
        self._asked: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def hold(self, path: str) -> asyncio.Event:
        """The path's answers wait until the event is set."""
        return self.held.setdefault(path, asyncio.Event())

    async def asked(self, path: str, *, within_s: float = 20) -> None:
        """Returns once somebody has asked for the path."""
        await asyncio.wait_for(self._asked[path].wait(), within_s)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ")[1].decode()
        self.counts[path] += 1
        number = self.counts[path]
        self._asked[path].set()
        if path in self.held:
            await self.held[path].wait()
        status = b"200 OK"
        if self.failing[path]:
            self.failing[path] -= 1
            status = b"500 Internal Server Error"
        with suppress(ConnectionError):  # the asker may be dead by now
            await self._send(writer, status, number)

    @staticmethod
    async def _send(writer: asyncio.StreamWriter, status: bytes, number: int) -> None:
        body = json.dumps({"number": number}).encode()
        writer.write(
            b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (status, len(body), body)
        )
        await writer.drain()
        writer.close()

    def graph(self, path: str, **policy: Any) -> dict[str, Any]:
        """A workflow that asks for the path, counts on in code, and gives both."""
        fetch = {"id": "fetch", "type": "http", "config": {"url": self.url + path}, **policy}
        source = "def main(x):\n    return [x['number'], 1 + 1]\n"
        return {
            "nodes": [
                {"id": "start", "type": "start"},
                fetch,
                {"id": "after", "type": "code", "config": {"source": source}},
                {"id": "output", "type": "output"},
            ],
            "edges": [
                {"source": "start", "target": "fetch"},
                {"source": "fetch", "target": "after"},
                {"source": "after", "target": "output"},
            ],
        }


@asynccontextmanager
async def counting_server() -> AsyncIterator[CountingServer]:
    """The server on a free port of loopback, its address in `url`."""
    served = CountingServer()
    server = await asyncio.start_server(served.answer, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield served
    finally:
        server.close()
        for gate in served.held.values():
            gate.set()
        await asyncio.sleep(0.05)  # whoever was still held is let go
