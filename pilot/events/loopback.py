"""The bus of one machine: the API process listens on loopback, workers connect to it.

Newline-delimited JSON over TCP. The first line is the token that both were started with,
answered by `ok`; every further line is an envelope. No Redis is needed for `pilot dev`.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from urllib.parse import urlsplit

from pilot.errors import SettingsError
from pilot.events.bus import InProcessBus, Subscription
from pilot.events.model import Envelope
from pilot.events.texts import SoFar
from pilot.events.waiting import MAX_LINE_BYTES, BufferedPublisher
from pilot.events.wire import decode

log = logging.getLogger(__name__)

HANDSHAKE_S = 5.0
WRITE_BYTES = 256 * 1024
FIRST_BACKOFF_S, MAX_BACKOFF_S = 0.05, 2.0
_OK = b"ok\n"


def parse_bus_url(url: str) -> tuple[str, int]:
    """Host and port of `tcp://127.0.0.1:PORT`; nothing but loopback is taken."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme != "tcp" or parts.hostname not in ("127.0.0.1", "::1") or port is None:
        raise SettingsError(f"PILOT_BUS_URL: {url!r} is not of the form tcp://127.0.0.1:PORT")
    return parts.hostname, port


class LoopbackHub:
    """The API's end: a TCP server whose connections feed a bus in this process.

    Port 0 picks a free one; `url` says which, once started.
    """

    def __init__(self, url: str, token: str) -> None:
        self._host, self._port = parse_bus_url(url)
        self._token = token.encode()
        self._bus = InProcessBus()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, self._host, self._port, limit=MAX_LINE_BYTES
        )
        self._port = self._server.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"tcp://{host}:{self._port}"

    @property
    def connected(self) -> bool:
        return bool(self._connections)

    @property
    def condition(self) -> str:
        return f"{self.publishers} publishers"

    @property
    def publishers(self) -> int:
        """How many workers are connected now."""
        return len(self._connections)

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        await self._bus.publish(envelopes)

    def subscribe(self) -> AbstractAsyncContextManager[Subscription]:
        return self._bus.subscribe()

    async def texts(self, user_id: str, execution_id: str) -> list[SoFar]:
        return await self._bus.texts(user_id, execution_id)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._bus.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                first = await reader.readline()
            if not hmac.compare_digest(first.strip(), self._token):
                log.warning("a publisher came with a wrong bus token and was refused")
                return
            writer.write(_OK)
            await self._receive(reader)
        except (TimeoutError, ValueError, OSError) as error:
            log.warning("the connection of a publisher broke: %s", error or type(error).__name__)
        finally:
            writer.close()

    async def _receive(self, reader: asyncio.StreamReader) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while line := await reader.readline():
                try:
                    self._bus.deliver([decode(line)])
                except ValueError:
                    log.warning("a line on the bus is no envelope: %r", line[:200])
        except asyncio.CancelledError:
            # only `close` cancels; asyncio's server would log the cancellation as an error
            return
        finally:
            self._connections.discard(task)


class LoopbackPublisher(BufferedPublisher):
    """A worker's end: keeps the connection, with backoff. Lines on the way when a connection
    breaks are lost."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__()
        self._host, self._port = parse_bus_url(url)
        self._token = token.encode()

    async def _keep_sending(self) -> None:
        backoff = FIRST_BACKOFF_S
        while not (self._closing and not self._lines):
            try:
                reader, writer = await asyncio.open_connection(self._host, self._port)
            except OSError as error:
                log.debug("the bus does not answer: %s", error)
            else:
                try:
                    await self._shake_hands(reader, writer)
                    backoff = FIRST_BACKOFF_S
                    await self._send(reader, writer)
                except (OSError, TimeoutError, PermissionError) as error:
                    log.warning("the connection to the bus broke: %s", error)
                finally:
                    self.connected = False
                    writer.close()
            if self._closing:
                return
            self._lines.drop_live()
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, MAX_BACKOFF_S)

    async def _shake_hands(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(self._token + b"\n")
        async with asyncio.timeout(HANDSHAKE_S):
            if await reader.readline() != _OK:
                raise PermissionError("the hub refused the bus token")
        self.connected = True

    async def _send(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The hub sends nothing more, so this read ends when the connection does. Without it
        # a write into a connection that is already gone would lose its lines silently.
        gone = asyncio.create_task(reader.read(1))
        try:
            while True:
                wake = asyncio.create_task(self._ready.wait())
                await asyncio.wait([wake, gone], return_when=asyncio.FIRST_COMPLETED)
                wake.cancel()
                if gone.done():
                    raise ConnectionResetError("the hub closed the connection")
                self._ready.clear()
                while self._lines:
                    lines = self._lines.take(WRITE_BYTES)
                    writer.write(b"".join(line.text + b"\n" for line in lines))
                    await writer.drain()
                if self._closing:
                    return
        finally:
            gone.cancel()
