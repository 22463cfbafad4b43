"""The buses: order, authentication, reconnection, bounds."""

import asyncio
import contextlib

import pytest

from pilot.errors import SettingsError
from pilot.events import loopback
from pilot.events.bus import InProcessBus
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


async def test_in_process_delivers_in_order_to_every_subscriber():
    bus = InProcessBus()
    async with bus.subscribe() as one, bus.subscribe() as two:
        await bus.publish([envelope(n) for n in range(1, 50)])
        for events in (one, two):
            assert [e.event.seq for e in await take(events, 49)] == list(range(1, 50))


async def test_closing_ends_subscriptions():
    bus = InProcessBus()
    async with bus.subscribe() as events:
        await bus.close()
        assert [e async for e in events] == []
    async with bus.subscribe() as events:
        assert [e async for e in events] == []


async def test_loopback_delivers_in_order_whole_and_unchanged():
    async with hub_and_publisher() as (hub, publisher), hub.subscribe() as events:
        sent = [envelope(n, output={"π": "x\n\u2028", "big": 2**80}) for n in range(1, 2001)]
        await publisher.publish(sent)
        assert await take(events, 2000) == sent
        assert hub.publishers == 1


async def test_two_publishers_feed_one_hub():
    async with hub_and_publisher() as (hub, publisher), hub.subscribe() as events:
        other = LoopbackPublisher(hub.url, "secret")
        await publisher.publish([envelope(1)])
        await other.publish([envelope(2)])
        assert {e.event.seq for e in await take(events, 2)} == {1, 2}
        await other.close()


async def test_a_wrong_token_gets_nothing_in():
    async with hub_and_publisher(publisher_token="wrong") as (hub, publisher):
        async with hub.subscribe() as events:
            await publisher.publish([envelope(1)])
            with pytest.raises(TimeoutError):
                await take(events, 1, within=0.4)
        assert not publisher.connected


async def test_an_envelope_without_a_token_is_refused():
    async with hub_and_publisher() as (hub, _), hub.subscribe() as events:
        host, port = parse_bus_url(hub.url)
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(encode(envelope(1)) + b"\n")
        assert await reader.read() == b""
        writer.close()
        with pytest.raises(TimeoutError):
            await take(events, 1, within=0.1)


@pytest.mark.parametrize("line", [b"{}", b"nonsense", b"[" * 5000, b'{"user_id":1,"event":{}}'])
async def test_a_line_that_is_no_envelope_is_passed_over(line):
    async with hub_and_publisher() as (hub, _), hub.subscribe() as events:
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


async def test_the_publisher_reconnects_and_sends_what_it_held():
    first = LoopbackHub("tcp://127.0.0.1:0", "secret")
    await first.start()
    url = first.url
    publisher = LoopbackPublisher(url, "secret")
    async with first.subscribe() as events:
        await publisher.publish([envelope(1)])
        await take(events, 1)
    await first.close()
    while publisher.connected:
        await asyncio.sleep(0.01)
    await publisher.publish([envelope(2), envelope(3)])
    second = LoopbackHub(url, "secret")
    async with second.subscribe() as events:
        await second.start()
        assert [e.event.seq for e in await take(events, 2)] == [2, 3]
    await publisher.close()
    await second.close()


async def test_without_a_hub_the_oldest_are_dropped(monkeypatch):
    monkeypatch.setattr(loopback, "MAX_BUFFERED_BYTES", 10_000)
    publisher = LoopbackPublisher("tcp://127.0.0.1:9", "secret")
    await publisher.publish([envelope(n, text="x" * 1000) for n in range(1, 101)])
    assert publisher.dropped > 80
    await publisher.close()


async def test_large_outputs_are_trimmed_on_the_way():
    async with hub_and_publisher() as (hub, publisher), hub.subscribe() as events:
        await publisher.publish([envelope(1, output="x" * 3_000_000, meta={"a": 1})])
        (got,) = await take(events, 1)
        assert got.event.data["truncated"] is True
        assert got.event.data["meta"] == {"a": 1}
        assert len(encode(got)) < 20_000


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
