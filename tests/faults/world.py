"""What a model of πlot acts upon, from code that is not asynchronous: a fleet and the server
that its http nodes call, on an event loop in a thread of their own."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from temporalio.client import Client

from tests.fleet import Fleet
from tests.openai_server import serve

T = TypeVar("T")
STEP_LIMIT_S = 600


class World:
    """Use as `with World(folder) as world`. The processes die with the loop's thread."""

    fleet: Fleet
    client: httpx.AsyncClient
    temporal: Client
    url: str

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="world")
        self._stack = AsyncExitStack()
        self.asked: Counter[tuple[str, str]] = Counter()
        """How often each (execution, node) was asked for."""

    def do(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The coroutine's result, from the loop's thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(STEP_LIMIT_S)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self.do(self._open())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._end()

    async def _open(self) -> None:
        app = Starlette(routes=[Route("/{execution}/{node}", self._answer)])
        port = await self._stack.enter_async_context(serve(app))
        self.url = f"http://127.0.0.1:{port}"
        # however late a worker is that a busy machine starts, a cancelled run ends by itself
        fleet = Fleet(self._folder, PILOT_CANCEL_ESCALATE_S="600")
        self.fleet = await self._stack.enter_async_context(fleet)
        self.client = await self._stack.enter_async_context(self.fleet.client())
        self.temporal = await self.fleet.temporal_client()

    async def _answer(self, request: Request) -> Response:
        self.asked[request.path_params["execution"], request.path_params["node"]] += 1
        await asyncio.sleep(int(request.query_params["ms"]) / 1000)
        return JSONResponse({"ok": True})

    async def restart_worker(self) -> None:
        """SIGKILL, and a new process at once, which polls some seconds later."""
        [worker] = self.fleet.workers
        await worker.kill()
        worker.spawn()

    def _end(self) -> None:
        try:
            self.do(self._stack.aclose())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
