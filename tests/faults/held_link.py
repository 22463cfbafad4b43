"""A TCP link that can be held: a process is killed at the very step that waits for its bytes.

async with HeldLink() as link:
    link.target = "127.0.0.1:7233"
    link.hold("answers")    # requests still arrive, answers do not
    ... kill the client ...
    link.release()          # what was held is gone for good
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self

Way = Literal["requests", "answers"]


class HeldLink:
    """Passes connections on to `target` (`host:port`). `address` is where it listens."""

    def __init__(self) -> None:
        self.target = ""
        self.address = ""
        self._open = {"requests": asyncio.Event(), "answers": asyncio.Event()}
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        for gate in self._open.values():
            gate.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.address = f"{host}:{port}"
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._server.close()
        self._drop()

    def hold(self, way: Way) -> None:
        """From now on nothing passes in that direction."""
        self._open[way].clear()

    def release(self) -> None:
        """Drops every connection with what it held, and lets new ones pass."""
        self._drop()
        for gate in self._open.values():
            gate.set()

    def _drop(self) -> None:
        for connection in tuple(self._connections):
            connection.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        host, _, port = self.target.rpartition(":")
        writers = [writer]
        with suppress(OSError, asyncio.CancelledError):
            there, back = await asyncio.open_connection(host, int(port))
            writers.append(back)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump("requests", reader, back))
                both.create_task(self._pump("answers", there, writer))
        self._connections.discard(task)
        for one in writers:
            one.close()

    async def _pump(
        self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(65_536):
                await self._open[way].wait()
                writer.write(chunk)
                await writer.drain()
        with suppress(OSError):
            writer.write_eof()
