"""What stands before Temporal Cloud: ends TLS, asks for certificates, and reads the headers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from hpack import Decoder
from hyperframe.frame import ContinuationFrame, Frame, HeadersFrame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_HEAD = 9


@dataclass
class Seen:
    """`names` are the server names (SNI) that clients asked for, `authorizations` the headers
    of that name, one a call."""

    address: str = ""
    names: list[str | None] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)


@asynccontextmanager
async def tls_proxy(
    backend: str, certificate: tuple[Path, Path], clients: Path | None
) -> AsyncIterator[Seen]:
    """Serves `backend` (`host:port`, in the clear) over TLS on a free port of 127.0.0.1. With
    `clients`, only to those who show a certificate of that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.set_alpn_protocols(["h2"])
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients)
    seen = Seen()
    context.sni_callback = lambda _socket, name, _context: seen.names.append(name)
    serving: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        host, _, port = backend.rpartition(":")
        inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            answers = asyncio.create_task(_copy(inner_reader, writer))
            try:
                await _calls(reader, inner_writer, seen)
            finally:
                answers.cancel()
                writer.close()
                inner_writer.close()

    async with await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context) as server:
        seen.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield seen
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65_536):
        writer.write(chunk)
        await writer.drain()


async def _calls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen) -> None:
    """Passes a client's frames on, and decodes the head of each call (RFC 9113, 7541)."""
    decoder = Decoder()
    block = b""
    writer.write(await reader.readexactly(len(PREFACE)))
    while True:
        head = await reader.readexactly(FRAME_HEAD)
        frame, length = Frame.parse_frame_header(memoryview(head))
        body = await reader.readexactly(length)
        writer.write(head + body)
        await writer.drain()
        if not isinstance(frame, HeadersFrame | ContinuationFrame):
            continue
        frame.parse_body(memoryview(body))
        block += frame.data
        if "END_HEADERS" in frame.flags:
            headers = dict(decoder.decode(block))
            seen.authorizations.append(headers.get("authorization"))
            block = b""
