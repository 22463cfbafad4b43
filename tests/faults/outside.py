"""The world outside of πlot, on loopback: it counts what reaches it, and may make it wait.

It is what http and llm nodes call, and what a held worker (`tests.faults.held_worker`) asks at
the beginning and the end of every activity. A point of a run is a `place` (a node, `record`, or
`<llm node>.<round>` after a tool's round) and a `phase`: `before` and `after` are the worker's
questions, `during` is the node's own request.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.openai_server import Calls, OpenAIServer, Reply, calls, serve

TOOL = "lookup"


@dataclass(frozen=True)
class Point:
    place: str
    phase: str

    def __str__(self) -> str:
        return f"{self.phase} {self.place}"


@dataclass
class _Run:
    """What is known of one execution: nothing of it goes on before it was admitted."""

    admitted: asyncio.Event = field(default_factory=asyncio.Event)
    hold: Point | None = None
    held: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    arrivals: Counter[Point] = field(default_factory=Counter)


@dataclass
class Outside:
    """`url` of the server. What waits goes on when its run is released, or its caller is gone."""

    url: str = ""
    pause: Callable[[], float] | None = None
    """Seconds that every arrival takes. With it nothing waits for an admission."""
    _runs: defaultdict[str, _Run] = field(default_factory=lambda: defaultdict(_Run))

    def admit(self, execution_id: str, hold: Point | None = None) -> None:
        """Lets the run go on as far as `hold`, which waits the first time that it is reached."""
        run = self._runs[execution_id]
        run.hold = hold
        run.admitted.set()

    async def held(self, execution_id: str) -> None:
        """Returns once the run waits at its point."""
        await self._runs[execution_id].held.wait()

    def release(self, execution_id: str) -> None:
        self._runs[execution_id].released.set()

    def arrivals(self, execution_id: str) -> Counter[Point]:
        """How often each point of the run was reached."""
        return self._runs[execution_id].arrivals

    async def arrive(self, execution_id: str, point: Point) -> None:
        run = self._runs[execution_id]
        if self.pause is None:
            await run.admitted.wait()
        run.arrivals[point] += 1
        if self.pause is not None:
            await asyncio.sleep(self.pause())
        if point == run.hold and run.arrivals[point] == 1:
            run.held.set()
            await run.released.wait()

    async def at(self, request: Request) -> Response:
        path = request.path_params
        await self.arrive(path["execution"], Point(path["place"], path["phase"]))
        return Response()

    async def call(self, request: Request) -> Response:
        """What http nodes call. Their key tells who asks."""
        execution_id, node, _ = request.headers["idempotency-key"].split(":", 2)
        await self.arrive(execution_id, Point(node, "during"))
        return JSONResponse({"node": node})

    async def model(self, body: dict[str, Any]) -> Reply | Calls:
        """What llm nodes ask. Their first message is `<execution> <node>`; one that has tools
        calls `TOOL` once, then answers."""
        execution_id, node = body["messages"][0]["content"].split(" ")
        rounds = sum(message["role"] == "tool" for message in body["messages"])
        await self.arrive(execution_id, Point(f"{node}.{rounds}" if rounds else node, "during"))
        if body.get("tools") and not rounds:
            return calls((TOOL, {}))
        return Reply(f"{node} answers")


@asynccontextmanager
async def outside() -> AsyncIterator[Outside]:
    """The server, running."""
    world = Outside()
    models = OpenAIServer("", answer=world.model)
    app = Starlette(
        routes=[
            Route("/at/{execution}/{place}/{phase}", world.at, methods=["POST"]),
            Route("/call", world.call, methods=["GET", "POST"]),
            Route("/v1/chat/completions", models.completions, methods=["POST"]),
        ]
    )
    async with serve(app) as port:
        world.url = f"http://127.0.0.1:{port}"
        yield world
