"""The command line's client, against a server that loses connections and repeats itself."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import jwt
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from pilot.client import ApiError, AsyncClient
from pilot.client import transport as transport_module
from pilot.client import watch as watch_module
from pilot.client.transport import token_user
from pilot.errors import PilotError

TOKEN = jwt.encode({"sub": "ann"}, "k" * 32)


def event(seq: int | None, kind: str = "node.started", execution: str = "e") -> str:
    body: dict[str, Any] = {
        "type": kind,
        "execution_id": execution,
        "workflow_id": "w",
        "at": "2026-01-01T00:00:00Z",
    }
    if seq is not None:
        body["seq"] = seq
    return json.dumps(body)


@asynccontextmanager
async def server(
    *scripts: list[str] | int, status: str = "running"
) -> AsyncIterator[tuple[str, list[int]]]:
    """Each connection plays the next script and is then closed (an int: with that code).
    Yields the URL, and the `last_seq` of each subscription."""
    subscriptions: list[int] = []

    async def play(socket: ServerConnection) -> None:
        assert socket.request is not None
        assert socket.request.path == "/ws/ann"
        script = scripts[min(len(subscriptions), len(scripts) - 1)]
        while (message := json.loads(await socket.recv()))["type"] != "subscribe":
            pass
        subscriptions.append(message["last_seq"])
        if isinstance(script, int):
            await socket.close(script)
            return
        for text in script:
            await socket.send(text)

    def answer(socket: ServerConnection, request: Request) -> Response | None:
        if request.path.startswith("/ws/"):
            return None
        response = socket.respond(HTTPStatus.OK, json.dumps({"status": status}))
        return response

    async with serve(play, "127.0.0.1", 0, process_request=answer) as running:
        port = next(iter(running.sockets)).getsockname()[1]
        yield f"http://127.0.0.1:{port}", subscriptions


async def watched(url: str, on_away: Callable[[str], None] = lambda _: None) -> list[int | None]:
    async with AsyncClient(url, TOKEN) as client:
        return [event.seq async for event in client.watch("e", on_away=on_away)]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "FIRST_BACKOFF_S", 0.01)
    monkeypatch.setattr(transport_module, "FIRST_BACKOFF_S", 0.01)


async def test_doubles_and_disorder_come_out_once_and_in_order() -> None:
    script = [
        event(3),
        event(4),
        event(7, execution="another"),
        event(1),
        event(None, "llm.token"),
        event(2),
        event(3),
        json.dumps({"type": "pong"}),
        event(5, "execution.succeeded"),
    ]
    async with server(script) as (url, subscriptions):
        assert await watched(url) == [1, None, 2, 3, 4, 5]
    assert subscriptions == [0]


async def test_a_lost_connection_goes_on_where_it_was() -> None:
    away: list[str] = []
    first, second = [event(1), event(2)], [event(3, "execution.failed")]
    async with server(first, second) as (url, subscriptions):
        assert await watched(url, away.append) == [1, 2, 3]
    assert subscriptions == [0, 2]
    assert len(away) == 1


async def test_a_run_that_ended_meanwhile_is_not_waited_for() -> None:
    async with server([event(1)], [], status="succeeded") as (url, _):
        assert await watched(url) == [1]


@pytest.mark.parametrize(("code", "said"), [(4401, "expired"), (4403, "another user")])
async def test_a_refused_token_ends_the_watch(code: int, said: str) -> None:
    async with server(code) as (url, _):
        with pytest.raises(ApiError, match=said):
            await watched(url)


async def test_an_execution_that_is_not_there_ends_the_watch() -> None:
    refusal = {"type": "error", "execution_id": "e", "code": "not_found", "message": "no such"}
    async with server([json.dumps(refusal)]) as (url, _):
        with pytest.raises(ApiError, match="no such"):
            await watched(url)


async def test_nobody_there_is_one_clear_line() -> None:
    async with AsyncClient("http://127.0.0.1:9", TOKEN) as client:
        with pytest.raises(ApiError, match="no πlot answers at http://127"):
            await client.executions.get("e")


def test_a_token_names_its_user() -> None:
    assert token_user(TOKEN) == "ann"
    for bad in ("", "a.b", "a.!!!.c", jwt.encode({"iss": "x"}, "k" * 32)):
        with pytest.raises(PilotError):
            token_user(bad)


async def test_a_snapshot_replaces_what_came_and_the_next_event_follows_on_it() -> None:
    shown = json.dumps({**json.loads(event(2, "snapshot")), "data": {"nodes": []}})
    told = [event(seq) for seq in (1, 2, 3, 4, 6)]
    told_again = [event(seq) for seq in (3, 5, 4)]
    script = [*told, shown, *told_again, event(6, "execution.succeeded")]
    async with server(script) as (url, _):
        assert await watched(url) == [1, 2, 3, 4, 2, 3, 4, 5, 6]
