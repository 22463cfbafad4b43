"""The other side of the http node's tests: one route a misbehaviour, on loopback."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.openai_server import serve

BOMB = gzip.compress(b"\0" * 300_000_000, compresslevel=9)


@dataclass
class Server:
    url: str = ""
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    """Method, path, headers and body of each request."""

    async def echo(self, request: Request) -> Response:
        await self._note(request)
        method, path, headers, body = self.requests[-1]
        return JSONResponse(
            {
                "method": method,
                "path": path,
                "query": request.query_params.multi_items(),
                "headers": headers,
                "body": body.decode(errors="replace"),
            }
        )

    async def status(self, request: Request) -> Response:
        await self._note(request)
        wait = request.query_params.get("Retry-After")
        headers = {"Retry-After": wait} if wait else {}
        return Response(
            "reason: " + "r" * 5000, request.path_params["code"], headers, media_type="text/plain"
        )

    async def redirect(self, request: Request) -> Response:
        await self._note(request)
        location = request.query_params["to"]
        return Response(status_code=request.path_params["code"], headers={"Location": location})

    async def loop(self, request: Request) -> Response:
        await self._note(request)
        return Response(status_code=302, headers={"Location": "/loop"})

    async def typed(self, request: Request) -> Response:
        return Response(
            await request.body(),
            media_type=request.headers.get("x-type"),
            headers={"X-Long": "y" * 3000},
        )

    async def cookie(self, request: Request) -> Response:
        await self._note(request)
        return Response("set", headers={"Set-Cookie": "session=secret; Path=/"})

    async def big(self, request: Request) -> Response:
        async def body() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b"x" * 100_000

        if "declared" in request.query_params:
            return Response(b"x" * 2_000_000)
        return StreamingResponse(body())

    async def bytes(self, request: Request) -> Response:
        return Response(b"x" * request.path_params["size"])

    async def options(self, request: Request) -> Response:
        return Response(status_code=204, headers={"Allow": "GET, OPTIONS"})

    async def encoded(self, request: Request) -> Response:
        encoding, text = request.path_params["encoding"], b"squeezed text"
        body = {
            "gzip": gzip.compress(text),
            "deflate": zlib.compress(text),
            "raw": zlib.compressobj(wbits=-15).compress(b"") + _raw_deflate(text),
            "bomb": BOMB,
            "br": text,
            "bad": b"not gzip at all",
        }[encoding]
        name = {"raw": "deflate", "bomb": "gzip", "bad": "gzip"}.get(encoding, encoding)
        return Response(body, headers={"Content-Encoding": name}, media_type="text/plain")

    async def slow(self, request: Request) -> Response:
        await self._note(request)
        await asyncio.sleep(30)
        return Response("late")

    async def cut(self, request: Request) -> Response:
        await self._note(request)

        async def body() -> AsyncIterator[bytes]:
            yield b"a" * 100
            raise ConnectionError("cut")

        return StreamingResponse(body(), headers={"Content-Length": "1000"})

    async def _note(self, request: Request) -> None:
        self.requests.append(
            (request.method, request.url.path, dict(request.headers), await request.body())
        )


def _raw_deflate(text: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(text) + packer.flush()


@asynccontextmanager
async def http_server() -> AsyncIterator[Server]:
    server = Server()
    every = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]
    paths: dict[str, Any] = {
        "/echo": server.echo,
        "/status/{code:int}": server.status,
        "/redirect/{code:int}": server.redirect,
        "/loop": server.loop,
        "/typed": server.typed,
        "/cookie": server.cookie,
        "/big": server.big,
        "/bytes/{size:int}": server.bytes,
        "/options": server.options,
        "/encoded/{encoding}": server.encoded,
        "/slow": server.slow,
        "/cut": server.cut,
    }
    app = Starlette(routes=[Route(path, run, methods=every) for path, run in paths.items()])
    async with serve(app) as port:
        server.url = f"http://127.0.0.1:{port}"
        yield server
