"""Clients that send too slowly or never read: their connections end, others' do not."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from api import http_protocol
from tests.api.conftest import Api
from tests.sockets import W

LIMIT_S = 0.5


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(http_protocol, "_LIMITS_S", {"head": LIMIT_S, "body": LIMIT_S})
    monkeypatch.setattr(http_protocol, "UNREAD_LIMIT_S", LIMIT_S)
    yield


@asynccontextmanager
async def connected(
    api: Api, **options: Any
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.settings.pilot_port, **options)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def head(api: Api, method: str, path: str, *lines: str) -> bytes:
    given = [
        f"{method} {path} HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {api.token()}",
        *lines,
    ]
    return "\r\n".join([*given, "", ""]).encode()


async def to_end(reader: asyncio.StreamReader) -> bytes:
    """All that comes. A connection is reset that closes while its client still sends."""
    got = b""
    with suppress(ConnectionError):
        async with asyncio.timeout(20):
            while chunk := await reader.read(65_536):
                got += chunk
    return got


async def trickle(writer: asyncio.StreamWriter) -> None:
    """A byte at a time, well within any limit of its own."""
    try:
        while True:
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(LIMIT_S / 10)
    except ConnectionError:
        return


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nX-Slow: "])
async def test_a_head_that_does_not_end_ends_the_connection(
    api: Api, short: None, begun: bytes
) -> None:
    async with connected(api) as (reader, writer):
        writer.write(begun)
        sending = asyncio.create_task(trickle(writer)) if begun else None
        answer = await to_end(reader)
        assert answer.startswith(b"HTTP/1.1 408 ") == bool(begun)
        if sending is not None:
            sending.cancel()


async def test_so_does_that_of_a_further_request(api: Api, short: None) -> None:
    async with connected(api) as (reader, writer):
        writer.write(head(api, "GET", "/livez") + b"GET / HTTP")
        answer = await to_end(reader)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"HTTP/1.1 408 " in answer


async def test_a_connection_may_be_idle_between_requests(api: Api, short: None) -> None:
    async with connected(api) as (reader, writer):
        for _ in range(2):
            writer.write(head(api, "GET", "/livez"))
            async with asyncio.timeout(20):
                await reader.readuntil(b'{"status":"ok"}')
            await asyncio.sleep(2 * LIMIT_S)


async def test_a_body_that_does_not_end_is_a_408(
    api: Api, short: None, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(api) as (reader, writer):
        lines = ("Content-Type: application/json", "Content-Length: 100000")
        writer.write(head(api, "POST", W, *lines) + b'{"name": "')
        sending = asyncio.create_task(trickle(writer))
        with caplog.at_level(logging.WARNING):
            answer = await to_end(reader)
        sending.cancel()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"application/problem+json" in answer
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "request_timeout"
    assert not caplog.records  # a slow client is no fault of ours


async def test_nor_may_one_of_an_answered_request_go_on_for_ever(api: Api, short: None) -> None:
    async with connected(api) as (reader, writer):
        lines = ("Content-Type: application/json", "Content-Length: 100000")
        writer.write(head(api, "POST", W, *lines).replace(b"Bearer", b"Nobody"))
        sending = asyncio.create_task(trickle(writer))
        answer = await to_end(reader)
        sending.cancel()
        assert answer.startswith(b"HTTP/1.1 401 ")
        assert b"408" not in answer


async def test_a_client_that_goes_in_the_middle_of_its_body_is_no_error(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with connected(api) as (_, writer):
            lines = ("Content-Type: application/json", "Content-Length: 100000")
            writer.write(head(api, "POST", W, *lines) + b"{")
            await writer.drain()
            await asyncio.sleep(0.2)
        await asyncio.sleep(0.2)
    assert (await api.client().get(W)).status_code == 200
    # what earlier tests left to be looked after is another matter
    assert not [one for one in caplog.records if one.name != "api.executions.escalation"]


async def asked(api: Api, writer: asyncio.StreamWriter, count: int) -> int:
    """Asks so often for an answer of 2 MB, and returns the size of all."""
    note = {"id": "note", "type": "variable", "config": {"name": "x" * 2_000_000}}
    made = await api.client().post(W, json={"name": "large", "nodes": [note]})
    path = f"{W}/{made.json()['id']}"
    for _ in range(count - 1):
        writer.write(head(api, "GET", path))
    writer.write(head(api, "GET", path, "Connection: close"))
    return count * 2_000_000


async def test_an_answer_that_nobody_reads_is_given_up(api: Api, short: None) -> None:
    async with connected(api, limit=1024) as (reader, writer):
        size = await asked(api, writer, 30)
        await asyncio.sleep(8 * LIMIT_S)
        got = 0
        with suppress(ConnectionError):
            async with asyncio.timeout(60):
                while chunk := await reader.read(65_536):
                    got += len(chunk)
        assert got < size / 2
    assert (await api.client().get("/livez")).status_code == 200


async def test_one_that_is_read_slowly_is_not(api: Api, short: None) -> None:
    async with connected(api, limit=1024) as (reader, writer):
        size = await asked(api, writer, 10)
        got = 0
        async with asyncio.timeout(100):
            while chunk := await reader.read(65_536):
                got += len(chunk)
                await asyncio.sleep(LIMIT_S / 50)
        assert got > size


async def test_a_websocket_on_a_used_connection_is_under_no_limit_of_requests(
    api: Api, short: None
) -> None:
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    async with connected(api) as (reader, writer):
        writer.write(head(api, "GET", "/livez"))
        answered = await reader.readuntil(b"\r\n\r\n")
        length = next(one for one in answered.lower().split(b"\r\n") if b"content-length" in one)
        await reader.readexactly(int(length.split(b":")[1]))
        writer.write(head(api, "GET", "/ws/ada", *upgrade, key))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 4 * LIMIT_S)
