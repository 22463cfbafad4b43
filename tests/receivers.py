"""Where telemetry goes, on loopback: Sentry's envelope endpoint and an OTLP collector."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pilot.processes import free_ports


@dataclass(frozen=True)
class Span:
    """One of OpenTelemetry's, with its ids in hex."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    text: str


@dataclass
class Receiver:
    """`events` and `transactions` as Sentry got them, `spans` as the collector did; `raw` is
    every body, decompressed."""

    port: int
    events: list[dict[str, Any]] = field(default_factory=list)
    transactions: list[dict[str, Any]] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)

    @property
    def dsn(self) -> str:
        return f"http://public@127.0.0.1:{self.port}/42"

    @property
    def otlp(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def envelope(self, request: Request) -> Response:
        assert "sentry_key=public" in request.headers["x-sentry-auth"]
        body = _decompressed(await request.body(), request.headers.get("content-encoding"))
        self.raw.append(body)
        for type, payload in _items(body):
            if type == "event":
                self.events.append(json.loads(payload))
            elif type == "transaction":
                self.transactions.append(json.loads(payload))
        return JSONResponse({})

    async def traces(self, request: Request) -> Response:
        body = _decompressed(await request.body(), request.headers.get("content-encoding"))
        self.raw.append(body)
        self.spans.extend(_spans(ExportTraceServiceRequest.FromString(body)))
        return Response(b"", media_type="application/x-protobuf")


def _decompressed(body: bytes, encoding: str | None) -> bytes:
    match encoding:
        case "gzip":
            return gzip.decompress(body)
        case "deflate":
            return zlib.decompress(body)
    if encoding == "br":
        import brotli  # Sentry's client uses it where it is installed

        return bytes(brotli.decompress(body))
    assert encoding is None, encoding
    return body


def _items(envelope: bytes) -> Iterator[tuple[str, bytes]]:
    """Type and payload of each item (develop.sentry.dev, "Envelopes")."""
    _, _, rest = envelope.partition(b"\n")
    while rest.strip():
        head, _, rest = rest.partition(b"\n")
        header = json.loads(head)
        length = header.get("length", rest.find(b"\n") if b"\n" in rest else len(rest))
        yield header["type"], rest[:length]
        rest = rest[length:].removeprefix(b"\n")


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in request.resource_spans:
        about = {one.key: one.value.string_value for one in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    service=about["service.name"],
                    name=span.name,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    attributes={
                        one.key: one.value.string_value or one.value.int_value
                        for one in span.attributes
                    },
                    text=str(span),
                )


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    [port] = free_ports(1)
    found = Receiver(port)
    app = Starlette(
        routes=[
            Route("/api/42/envelope/", found.envelope, methods=["POST"]),
            Route("/v1/traces", found.traces, methods=["POST"]),
        ]
    )
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0.01)
    try:
        yield found
    finally:
        server.should_exit = True
        await serving
