"""A span for each request; what it starts in Temporal belongs to the same trace."""

from __future__ import annotations

from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import route_of

_propagator = TraceContextTextMapPropagator()


class RequestSpans:
    """ASGI middleware. A caller's `traceparent` is gone on with; an event stream's span ends
    with the stream."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"]
        attributes = {"http.request.method": method, "request_id": scope["request_id"]}
        with self._tracer.start_as_current_span(
            method,
            _propagator.extract(Headers(scope=scope)),
            SpanKind.SERVER,
            attributes,
        ) as span:

            async def named(message: Message) -> None:
                if message["type"] == "http.response.start":
                    route, status = route_of(scope), message["status"]
                    span.update_name(f"{method} {route}")
                    span.set_attribute("http.route", route)
                    span.set_attribute("http.response.status_code", status)
                    if status >= 500:
                        span.set_status(Status(StatusCode.ERROR))
                await send(message)

            await self._app(scope, receive, named)
