"""Request bodies: bounded while they are read, and JSON in the strict sense."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

from pydantic_core import from_json
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Problem
from pilot.graph.values import deeper_than

MAX_BODY_BYTES = 5 * 1024 * 1024
MAX_DEPTH = 200
LARGE_BODY_BYTES = 128 * 1024
"""From here on a body is parsed in a thread, so that others are served meanwhile."""


def too_large() -> Problem:
    # Without `Connection: close`: a server that closes on a client that still writes resets
    # the connection, and the client never reads why. uvicorn throws the rest away unseen.
    return Problem(
        413, "body_too_large", f"A body has at most {MAX_BODY_BYTES // 1024 // 1024} MB."
    )


class BodyLimit:
    """ASGI middleware: a body over the limit is refused while it comes in, with a declared
    length before its first byte is read. What was refused is never held in memory."""

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        over = declared.isdecimal() and int(declared[:20]) > self._limit
        read = 0

        async def counted() -> Message:
            nonlocal read
            if over:
                raise too_large()
            message = await receive()
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                if read > self._limit:
                    raise too_large()
            return message

        await self._app(scope, counted, send)


class JsonRequest(Request):
    """A request whose body is I-JSON (RFC 7493): UTF-8, no duplicate names, no lone
    surrogates, finite numbers; and nested at most 200 deep."""

    async def json(self) -> Any:
        body = await self.body()
        if len(body) > LARGE_BODY_BYTES:
            return await asyncio.to_thread(parse, body)
        return parse(body)


def parse(body: bytes) -> Any:
    """The value of a JSON text. Raises `Problem` (400) with the place of the error."""
    is_large = len(body) > LARGE_BODY_BYTES
    try:
        # pydantic's parser bounds the depth and finds surrogates, but holds the interpreter
        # for the whole of a large body, so there it is used only where it must be
        if not is_large or b"\\ud" in body.lower():
            from_json(body, allow_inf_nan=False, cache_strings="none")
        # it takes duplicate names and 1e999, so those are looked for in a second pass
        value = json.loads(
            body.decode(),
            object_pairs_hook=_unique,
            parse_float=_finite,
            parse_constant=_no_constant,
        )
        if is_large and deeper_than(value, MAX_DEPTH):
            raise ValueError(f"it nests deeper than {MAX_DEPTH} levels")
    except (ValueError, RecursionError) as error:
        raise Problem(400, "invalid_json", f"The body is not valid JSON: {error}.") from None
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"the name {name[:100]!r} stands twice in one object")
            seen.add(name)
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:40]} is too large")
    return number
