"""The loopback bus alone: authentication, hostile lines, reconnection, its URL."""

import asyncio
import contextlib

import pytest

from pilot.errors import SettingsError
from pilot.events import loopback
from pilot.events.loopback import LoopbackHub, LoopbackPublisher, parse_bus_url
from pilot.events.model import Envelope, Event, EventType
from pilot.events.wire import decode, encode


def envelope(seq: int | None, **data: object) -> Envelope:
    kind = EventType.NODE_SUCCEEDED if seq else EventType.LLM_TOKEN
    return Envelope("ada", Event(kind, "e1", "w1", "2026-01-01T00:00:00Z", seq, "n", data=data))


async def take(events, count: int, within: float = 5.0) -> list[Envelope]:
    async with asyncio.timeout(within):
        return [await anext(events) for _ in range(count)]


@contextlib.asynccontextmanager
async def hub_and_publisher(token: str = "secret", publisher_token: str | None = None):
    hub = LoopbackHub("tcp://127.0.0.1:0", token)
    await hub.start()
    publisher = LoopbackPublisher(hub.url, publisher_token or token)
    try:
        yield hub, publisher
    finally:
        await publisher.close()
        await hub.close()


async def test_a_wrong_token_gets_nothing_in(hearing):
    async with hub_and_publisher(publisher_token="wrong") as (hub, publisher):
        async with hearing(hub) as events:
            await publisher.publish([envelope(1)])
            with pytest.raises(TimeoutError):
                await take(events, 1, within=0.4)
        assert not publisher.connected


async def test_an_envelope_without_a_token_is_refused(hearing):
    async with hub_and_publisher() as (hub, _), hearing(hub) as events:
        host, port = parse_bus_url(hub.url)
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(encode(envelope(1)) + b"\n")
        assert await reader.read() == b""
        writer.close()
        with pytest.raises(TimeoutError):
            await take(events, 1, within=0.1)


@pytest.mark.parametrize("line", [b"{}", b"nonsense", b"[" * 5000, b'{"user_id":1,"event":{}}'])
async def test_a_line_that_is_no_envelope_is_passed_over(hearing, line):
    async with hub_and_publisher() as (hub, _), hearing(hub) as events:
        host, port = parse_bus_url(hub.url)
        _reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"secret\n" + line + b"\n" + encode(envelope(3)) + b"\n")
        assert (await take(events, 1))[0].event.seq == 3
        writer.close()


async def test_an_endless_line_costs_its_sender_the_connection():
    async with hub_and_publisher() as (hub, _):
        host, port = parse_bus_url(hub.url)
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"secret\n" + b"x" * (loopback.MAX_LINE_BYTES * 3))
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() in (b"", b"ok\n")
        writer.close()


async def test_the_publisher_reconnects_and_sends_what_it_held(hearing):
    first = LoopbackHub("tcp://127.0.0.1:0", "secret")
    await first.start()
    url = first.url
    publisher = LoopbackPublisher(url, "secret")
    async with hearing(first) as events:
        await publisher.publish([envelope(1)])
        await take(events, 1)
    await first.close()
    while publisher.connected:
        await asyncio.sleep(0.01)
    await publisher.publish([envelope(2), envelope(3)])
    second = LoopbackHub(url, "secret")
    async with hearing(second) as events:
        await second.start()
        assert [e.event.seq for e in await take(events, 2)] == [2, 3]
    await publisher.close()
    await second.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1",
        "tcp://0.0.0.0:1",
        "tcp://example.com:1",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:x",
        "",
    ],
)
def test_only_loopback_urls_are_taken(url):
    with pytest.raises(SettingsError):
        parse_bus_url(url)


def test_an_envelope_survives_the_wire():
    sent = envelope(7, output=[1, 2.5, None, True, "\ud800", 10**30])
    assert decode(encode(sent)) == sent
