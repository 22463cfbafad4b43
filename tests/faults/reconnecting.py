"""A watcher whose connection is dropped and taken up again at the last `seq` that it saw."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import httpx
from websockets.exceptions import WebSocketException

from tests.faults.view import Event, View
from tests.stack import Served, run_events

ENDS = frozenset(f"execution.{status}" for status in ("succeeded", "failed", "cancelled"))


class Watcher:
    """Reads one execution's events until the last, over as many connections as it takes, by
    `sse` or `ws`.

    A stream of server-sent events must carry exactly what follows the `seq` it was asked for,
    and may end before the run does.
    On a WebSocket all of the user's runs are heard until the subscription is in force, so there
    the reader orders by `seq`, as every client must.
    """

    def __init__(self, served: Served, execution_id: str, way: str) -> None:
        self.view = View()
        self.connections = 0
        self._served = served
        self._execution_id = execution_id
        self.way = way
        self._reading = asyncio.create_task(self._read())

    async def drop(self) -> None:
        """Tears the connection down, and connects again. A watcher that has seen the last
        event, or has found an error, stays as it is."""
        if not self._reading.done():
            self._reading.cancel()
            await asyncio.wait([self._reading])
            if self._reading.cancelled():
                self._reading = asyncio.create_task(self._read())

    async def finished(self) -> View:
        """What it knows of the run in the end. Raises what was wrong with what came."""
        await self._reading
        return self.view

    async def _read(self) -> None:
        while not self._has_end():  # which it may have had as it was torn down
            self.connections += 1
            with suppress(httpx.TransportError, WebSocketException, OSError):
                await (self._stream() if self.way == "sse" else self._socket())
            if not self._has_end():
                await asyncio.sleep(0.1)

    def _has_end(self) -> bool:
        return bool(self.view.events) and self.view.events[-1]["type"] in ENDS

    def _take(self, event: Event) -> None:
        if "seq" in event:
            self.view.take(event)

    async def _stream(self) -> None:
        path = f"/api/v1/executions/{self._execution_id}/events"
        headers = {"Last-Event-ID": str(self.view.last_seq)}
        async with (
            self._served.client() as client,
            client.stream("GET", path, headers=headers) as answer,
        ):
            assert answer.status_code == 200, (answer.status_code, await answer.aread())
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    self._take(json.loads(line.removeprefix("data: ")))

    async def _socket(self) -> None:
        async with self._served.events() as socket:
            async for event in run_events(socket, self._execution_id, self.view.last_seq):
                self._take(event)
