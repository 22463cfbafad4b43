"""The outside world of http nodes: a server on loopback that counts, and answers when told.

async with outside() as world:
    ... a node that calls world.url("hold", "a") ...
    await world.called("a")
    world.release("a")
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.openai_server import serve


@dataclass
class Outside:
    """`calls` has the times (monotonic seconds) at which each name was called."""

    address: str = ""
    calls: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _released: dict[str, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))

    def url(self, manner: str, name: str) -> str:
        """An address that answers `{"name", "call"}` with the number of the call: at once
        (`ok`), with a `text` of 3 MB (`large`), once the name is released (`hold`), or with 503
        until then (`fail`)."""
        return f"{self.address}/{manner}/{name}"

    def release(self, name: str) -> None:
        self._released[name].set()

    async def called(self, name: str, times: int = 1, *, within_s: float = 30) -> None:
        """Returns once the name was called that often."""
        async with asyncio.timeout(within_s):
            while len(self.calls[name]) < times:
                await asyncio.sleep(0.01)

    async def answer(self, request: Request) -> Response:
        manner, name = request.path_params["manner"], request.path_params["name"]
        self.calls[name].append(time.monotonic())
        number = len(self.calls[name])
        if manner == "fail" and not self._released[name].is_set():
            return JSONResponse({"error": "not yet"}, 503)
        if manner == "hold":
            await self._released[name].wait()
        told = {"name": name, "call": number}
        return JSONResponse(told | {"text": "x" * 3_000_000} if manner == "large" else told)


@asynccontextmanager
async def outside() -> AsyncIterator[Outside]:
    """The server, running."""
    world = Outside()
    route = Route("/{manner}/{name}", world.answer, methods=["GET", "POST"])
    async with serve(Starlette(routes=[route])) as port:
        world.address = f"http://127.0.0.1:{port}"
        yield world
