"""uvicorn's WebSocket, made for thousands of idle watchers, one of which may not read.

Events are compressed once for all connections, which hold no window of their own. A
connection that is to be closed is closed, whether its other side reads or not.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.extensions.permessage_deflate import (
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.protocol import State
from websockets.server import ServerProtocol

from api.live.delivery import MEM_LEVEL, WINDOW_BITS, Joined, Message

WRITER = "pilot.writer"
"""The ASGI extension whose `protocol` is the connection's own: it takes messages without a task."""
SEND_BUFFER_BYTES = 128 * 1024
"""Of the system, which would hold megabytes for a slow reader: what waits there grows old, and
cannot be joined or taken back."""
SERVICE_RESTART = 1012
CLOSE_LIMIT_S = 10.0
MAX_BLIND_PONGS = 100


_DEFLATE = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True,
    client_no_context_takeover=True,
    server_max_window_bits=WINDOW_BITS,
    client_max_window_bits=WINDOW_BITS,
    compress_settings={"memLevel": MEM_LEVEL},
)
_joined = Joined()


class Received:
    """What an application has yet to hear: an `asyncio.Queue` for one reader, in a tenth of its
    memory."""

    __slots__ = ("_items", "_reader")

    def __init__(self) -> None:
        self._items: list[Any] = []
        self._reader: asyncio.Future[None] | None = None

    def put_nowait(self, item: Any) -> None:
        self._items.append(item)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def empty(self) -> bool:
        return not self._items

    async def get(self) -> Any:
        while not self._items:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        return self._items.pop(0)


class Gate:
    """Whether a connection may be written to: an `asyncio.Event`, in a tenth of its memory."""

    __slots__ = ("_opening",)

    def __init__(self) -> None:
        self._opening: asyncio.Future[None] | None = None

    def is_set(self) -> bool:
        return self._opening is None

    def set(self) -> None:
        opening, self._opening = self._opening, None
        if opening is not None and not opening.done():
            opening.set_result(None)

    def clear(self) -> None:
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_future()

    async def wait(self) -> None:
        while self._opening is not None:
            # several may wait, and one that is cancelled must not cancel it for the others
            await asyncio.shield(self._opening)


class WatcherProtocol(WebSocketsSansIOProtocol):
    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: Any = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.queue = Received()  # type: ignore[assignment]
        self.writable = Gate()  # type: ignore[assignment]
        self.conn = ServerProtocol(
            extensions=[_DEFLATE] if config.ws_per_message_deflate else [],
            max_size=config.ws_max_size,
            logger=logging.getLogger("uvicorn.error"),
        )
        self._blind_pongs = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        connected = transport.get_extra_info("socket")
        if connected is not None:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.close":
            # a close frame does not wait until a reader that does not read has read
            self.writable.set()
        await super().send(message)
        if message["type"] == "websocket.accept":
            # nobody reads the handshake again, the token in it least of all
            self.request.headers.clear()
            del self.request, self.response

    # the extension

    @property
    def takes_more(self) -> bool:
        """Whether what is written now is on its way: its reader reads."""
        return self.writable.is_set()

    async def until_it_takes_more(self) -> None:
        await self.writable.wait()

    def write(self, messages: list[Message]) -> bool:
        """Sends messages in one call of the system; False where the connection is closed."""
        if self.disconnected or self.close_sent or self.conn.state is not State.OPEN:
            return False
        deflated = self._deflates()
        if deflated is None:
            for message in messages:
                self.conn.send_text(message.text.encode())
            self.transport.write(b"".join(self.conn.data_to_send()))
        else:
            self.transport.write(_joined(messages, deflated=deflated))
        return True

    def _deflates(self) -> bool | None:
        """Whether this connection's frames are the deflated ones; None where its client
        asked for a smaller window than theirs."""
        match self.conn.extensions:
            case []:
                return False
            case [PerMessageDeflate(local_max_window_bits=bits)] if bits == WINDOW_BITS:
                return True
        return None

    def shutdown(self) -> None:
        """As uvicorn's, with a reason: the process ends, and another one is to be asked."""
        if self.handshake_complete and not self.close_sent:
            self.stop_keepalive()
            self.queue.put_nowait({"type": "websocket.disconnect", "code": SERVICE_RESTART})
            self.conn.send_close(SERVICE_RESTART, "the server restarts: connect again")
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()
        else:
            super().shutdown()

    async def run_asgi(self) -> None:
        self.scope["extensions"][WRITER] = {"protocol": self}
        await super().run_asgi()
        # closing waits for what is still buffered, which nobody may ever read
        if not self.disconnected:
            self.loop.call_later(CLOSE_LIMIT_S, self.transport.abort)

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.loop.call_later(CLOSE_LIMIT_S, self.transport.abort)

    def handle_ping(self) -> None:
        super().handle_ping()
        if not self.writable.is_set():
            self._blind_pongs += 1
            if self._blind_pongs > MAX_BLIND_PONGS:
                self.transport.abort()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._blind_pongs = 0
