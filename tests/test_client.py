"""The command line's client, against a server that loses connections and repeats itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import jwt
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from pilot.client import ApiError, AsyncClient, Client
from pilot.client import transport as transport_module
from pilot.client import watch as watch_module
from pilot.client.transport import token_user
from pilot.errors import PilotError
from pilot.events.model import Event, EventType
from pilot.graph.status import ExecutionStatus
from pilot.tokens import DevelopmentIssuer
from tests.faults.test_deaths import fetching, slow_server
from tests.fleet import Fleet
from tests.stack import Stack

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


@pytest.mark.parametrize("token", ["two words", "two\nlines", "caf\u00e9", "bell\a"])
async def test_a_token_that_no_header_takes_is_refused_unseen(token: str) -> None:
    with pytest.raises(PilotError) as refused:
        async with AsyncClient("http://127.0.0.1:9", token) as client:
            await client.executions.get("e")
    assert refused.value.code == "invalid_token" and token not in str(refused.value)


async def test_a_tokens_line_end_is_not_sent() -> None:
    answers = Answers((202, {}, EXECUTION))
    async with answers.serve() as url, AsyncClient(url, lambda: "one\n") as client:
        await client.executions.cancel("e")
    assert answers.requests[0].headers["authorization"] == "bearer one"


async def test_a_snapshot_replaces_what_came_and_the_next_event_follows_on_it() -> None:
    shown = json.dumps({**json.loads(event(2, "snapshot")), "data": {"nodes": []}})
    told = [event(seq) for seq in (1, 2, 3, 4, 6)]
    told_again = [event(seq) for seq in (3, 5, 4)]
    script = [*told, shown, *told_again, event(6, "execution.succeeded")]
    async with server(script) as (url, _):
        assert await watched(url) == [1, 2, 3, 4, 2, 3, 4, 5, 6]


class Answers:
    """A server that gives each request the next answer, and keeps what was asked."""

    def __init__(self, *answers: tuple[int, dict[str, str], Any]) -> None:
        self._answers = list(answers)
        self.requests: list[Asked] = []

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split()
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        await reader.readexactly(int(headers.get("content-length", 0)))
        self.requests.append(Asked(method, path, headers))
        status, extra, body = self._answers.pop(0)
        if status:  # 0: no answer at all, though the request arrived
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            lines = [f"HTTP/1.1 {status} X", "Connection: close", f"Content-Length: {len(content)}"]
            lines += [f"{name}: {value}" for name, value in extra.items()]
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
            await writer.drain()
        writer.close()


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]


EXECUTION = {
    "id": "e",
    "workflow_id": "w",
    "workflow_version": 1,
    "status": "queued",
    "created_at": "2026-01-01T00:00:00Z",
    "queue": {"reason": "no_worker", "since": "2026-01-01T00:00:00Z"},
}
AWAY = (503, {"Retry-After": "0"}, {"code": "temporal_unavailable", "detail": "away"})
LOST: tuple[int, dict[str, str], Any] = (0, {}, None)


async def test_a_start_is_repeated_under_one_key() -> None:
    answers = Answers(AWAY, LOST, (202, {}, EXECUTION))
    async with answers.serve() as url, AsyncClient(url, TOKEN) as client:
        execution = await client.execute("w", 1)
    assert execution.queue is not None
    assert execution.queue.reason == "no_worker"
    keys = [asked.headers["idempotency-key"] for asked in answers.requests]
    assert len(keys) == 3
    assert len(set(keys)) == 1


async def test_what_is_not_safe_to_repeat_is_not() -> None:
    answers = Answers(LOST)
    async with answers.serve() as url, AsyncClient(url, TOKEN) as client:
        with pytest.raises(ApiError, match="no πlot answers"):
            await client.workflows.create("a", {"nodes": [], "edges": []})
    assert len(answers.requests) == 1


async def test_a_server_that_stays_away_is_given_up() -> None:
    answers = Answers(*[AWAY] * 5)
    async with answers.serve() as url, AsyncClient(url, TOKEN) as client:
        with pytest.raises(ApiError, match="away") as caught:
            await client.executions.get("e")
    assert (caught.value.status, caught.value.code) == (503, "temporal_unavailable")
    assert caught.value.retry_after_s == 0
    assert len(answers.requests) == 5


async def test_a_problem_is_a_typed_error_with_its_issues() -> None:
    issue = {"code": "unknown_node", "severity": "error", "message": "no", "node_id": "n"}
    answers = Answers((422, {}, {"code": "invalid_graph", "detail": "bad", "issues": [issue]}))
    async with answers.serve() as url, AsyncClient(url, TOKEN) as client:
        with pytest.raises(ApiError, match="bad") as caught:
            await client.execute("w")
    assert (caught.value.status, caught.value.code) == (422, "invalid_graph")
    assert [(each.code, each.node_id) for each in caught.value.issues] == [("unknown_node", "n")]


async def test_a_refused_token_is_renewed_once() -> None:
    refused = (401, {}, {"code": "invalid_token", "detail": "expired"})
    tokens = iter(["old", "new", "newer"])
    answers = Answers(refused, (202, {}, EXECUTION), refused, refused)
    async with answers.serve() as url, AsyncClient(url, lambda: next(tokens)) as client:
        assert (await client.executions.cancel("e")).id == "e"
        with pytest.raises(ApiError, match="expired"):
            await client.executions.get("e")
    sent = [asked.headers["authorization"] for asked in answers.requests]
    assert sent == ["bearer old", "bearer new", "bearer new", "bearer newer"]


async def test_where_no_websocket_gets_through_events_come_by_sse() -> None:
    """As behind a proxy that knows no Upgrade: it answers, but with a page."""
    lines = b"".join(b"id: 1\ndata: %s\n\n" % event(1).encode() for _ in range(2))
    rest = b": comment\n\ndata: " + event(2, "execution.succeeded").encode() + b"\n\n"
    stream = {"Content-Type": "text/event-stream"}
    running = {**EXECUTION, "status": "running"}
    answers = Answers(
        (404, {}, b"<html>"), (200, {}, running), (200, stream, lines), (200, {}, running),
        (200, stream, rest),
    )  # fmt: skip
    async with answers.serve() as url:
        assert await watched(url) == [1, 2]
    streams = [asked for asked in answers.requests if asked.path.endswith("/events")]
    assert [asked.headers.get("last-event-id") for asked in streams] == [None, "1"]


async def test_an_api_key_which_names_no_user_watches_by_sse() -> None:
    rest = b"data: " + event(1, "execution.succeeded").encode() + b"\n\n"
    answers = Answers((200, {}, rest))
    async with answers.serve() as url, AsyncClient(url, "pilot_key") as client:
        assert [each.seq async for each in client.watch("e")] == [1]


async def test_an_expiring_token_is_renewed_on_the_connection() -> None:
    renewed: list[str] = []

    async def play(socket: ServerConnection) -> None:
        while json.loads(await socket.recv())["type"] != "subscribe":
            pass
        await socket.send(json.dumps({"type": "auth_expiring", "expires_at": "soon"}))
        renewed.append(json.loads(await socket.recv())["token"])
        await socket.send(event(1, "execution.succeeded"))

    tokens = iter([TOKEN, "second"])

    async def given() -> str:
        return next(tokens)

    async with serve(play, "127.0.0.1", 0) as running:
        port = next(iter(running.sockets)).getsockname()[1]
        async with AsyncClient(f"http://127.0.0.1:{port}", given) as client:
            assert [each.seq async for each in client.watch("e")] == [1]
    assert renewed == ["second"]


GRAPH = {
    "nodes": [{"id": "start", "type": "start"}, {"id": "output", "type": "output"}],
    "edges": [{"source": "start", "target": "output"}],
}


def test_the_client_without_asyncio_does_the_same(stack: Stack) -> None:
    with Client(stack.url, lambda: stack.token("synchronous")) as client:
        workflow = client.workflows.save("echo", GRAPH)
        again = client.workflows.save("echo", GRAPH, "described")
        assert (again.id, workflow.issues) == (workflow.id, [])
        with pytest.raises(ApiError) as stale:
            client.workflows.update(workflow.id, "echo", {**GRAPH, "edges": []}, version=99)
        assert stale.value.status == 409
        assert client.workflows.validate({**GRAPH, "edges": []})
        execution = client.execute(workflow.id, {"a": 1}, key="one", wait=30)
        assert execution.status is ExecutionStatus.SUCCEEDED
        assert execution.output == {"a": 1}
        assert [node.id for node in execution.nodes] == ["start", "output"]
        assert client.execute(workflow.id, {"a": 1}, key="one").id == execution.id
        seqs = [each.seq for each in client.watch(execution.id) if each.seq is not None]
        assert seqs == list(range(1, len(seqs) + 1))
        assert [each.seq for each in client.watch(execution.id, seqs[-2])] == seqs[-1:]
        assert [each.id for each in client.executions.list()] == [execution.id]
        assert [each.name for each in client.workflows.list()] == ["echo"]
        with pytest.raises(ApiError) as finished:
            client.executions.cancel(execution.id)
        assert finished.value.code == "already_finished"
        for _ in client.watch(execution.id):
            break  # a watch may be left at any time
        client.workflows.delete(workflow.id)
        with pytest.raises(ApiError) as gone:
            client.workflows.get(workflow.id)
        assert gone.value.status == 404


async def test_a_watch_outlives_the_api_and_its_token(tmp_path: Path) -> None:
    """The API is killed twice, and each token lasts a few seconds only."""
    tokens: list[str] = []
    async with Fleet(tmp_path) as fleet, slow_server(20.0) as (url, asked):
        issuer = DevelopmentIssuer.open(fleet.data_dir)

        def given() -> str:
            tokens.append(issuer.mint("ann", 8))
            return tokens[-1]

        away: list[str] = []
        async with AsyncClient(fleet.url, given) as client:
            graph = fetching(url)
            execution = await client.execute((await client.workflows.create("slow", graph)).id)

            async def see() -> list[Event]:
                events = client.watch(execution.id, on_away=away.append)
                return [each async for each in events if each.seq is not None]

            watching = asyncio.create_task(see())
            await asyncio.wait_for(asked.wait(), 20)
            for _ in range(2):
                await fleet.apis[0].kill()
                await asyncio.sleep(0.5)
                await fleet.apis[0].start()
                await asyncio.sleep(1)
            await fleet.workers[0].kill()  # its first request is never answered
            await fleet.workers[0].start()
            events = await asyncio.wait_for(watching, 120)
            shown = await client.executions.get(execution.id)
    assert shown.status is ExecutionStatus.SUCCEEDED
    last = 0
    for each in events:  # a snapshot may begin anew: a worker was killed
        assert each.type is EventType.SNAPSHOT or each.seq == last + 1
        last = each.seq or 0
    assert events[-1].type is EventType.EXECUTION_SUCCEEDED
    assert len(away) >= 2
    assert len(tokens) >= 3
    assert len({node.attempt for node in shown.nodes}) == 2
