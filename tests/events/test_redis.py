"""The bus on Redis alone: outages, flushes, bounds, many streams, its URL."""

import asyncio
import time

import pytest
from redis.asyncio import Redis

from pilot.errors import SettingsError
from pilot.events import redis as redis_module
from pilot.events import streams
from pilot.events.connection import open_bus, serve_bus
from pilot.events.model import Envelope, Event, EventType
from pilot.events.redis import RedisBus, RedisPublisher, parse_redis_url
from pilot.settings import Settings


def envelope(seq: int | None, user: str = "ada", **data: object) -> Envelope:
    kind = EventType.NODE_SUCCEEDED if seq else EventType.LLM_TOKEN
    return Envelope(user, Event(kind, "e1", "w1", "2026-01-01T00:00:00Z", seq, "n", data=data))


async def take(events, count: int) -> list[int | None]:
    async with asyncio.timeout(20):
        return [(await anext(events)).event.seq for _ in range(count)]


async def until(condition) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
async def ends(redis_server):
    bus, publisher = RedisBus(redis_server.url), RedisPublisher(redis_server.url)
    yield bus, publisher
    await publisher.close()
    await bus.close()


@pytest.fixture
async def client(redis_server):
    client = Redis.from_url(redis_server.url, protocol=2)
    yield client
    await client.aclose()


async def test_a_redis_that_died_and_came_back_empty(redis_server, ends, hearing):
    """Nobody waits for it; durable events are written when it is back, tokens are not."""
    bus, publisher = ends
    async with hearing(bus) as events:
        await publisher.publish([envelope(1)])
        assert await take(events, 1) == [1]
        redis_server.kill()
        await until(lambda: not bus.connected)
        began = time.perf_counter()
        await publisher.publish([envelope(2), envelope(None), envelope(3)])
        assert time.perf_counter() - began < 1
        await until(lambda: not publisher.connected)
        events.follow("eve")  # while it is away
        redis_server.start()
        await events.following("eve")
        await publisher.publish([envelope(4), envelope(1, "eve")])
        # the order between two users' streams is nobody's business
        assert sorted(await take(events, 4)) == [1, 2, 3, 4]
        assert bus.connected


async def test_a_flush_loses_only_what_was_not_read(ends, client, hearing):
    bus, publisher = ends
    async with hearing(bus) as events:
        for seq in range(1, 21):
            await publisher.publish([envelope(seq)])
            assert await take(events, 1) == [seq]
            if seq % 5 == 0:
                await client.flushall()
                # entries are told apart by the millisecond: one of the same as the last that
                # was read would be lost, and its event repaired by `seq`
                await asyncio.sleep(0.002)


async def test_a_stream_that_begins_again_at_an_earlier_time_is_read(
    ends, client, hearing, monkeypatch
):
    """As after a failover to a server whose clock is behind."""
    monkeypatch.setattr(streams, "CHECK_EVERY_S", 0.2)
    monkeypatch.setattr(streams, "BLOCK_MS", 100)
    bus, publisher = ends
    async with hearing(bus) as events:
        ahead = f"{int(time.time() * 1000) + 3_600_000}-1"
        await client.xadd(streams.stream_of("ada"), {streams.FIELD: b"not an envelope"}, id=ahead)
        await publisher.publish([envelope(1)])
        assert await take(events, 1) == [1]
        await client.flushall()
        await publisher.publish([envelope(2), envelope(3)])
        assert await take(events, 2) == [2, 3]


async def test_what_redis_refuses_holds_nothing_up(ends, client, hearing):
    bus, publisher = ends
    await client.set(streams.stream_of("eve"), "not a stream")
    async with hearing(bus) as events:
        await publisher.publish([envelope(1, "eve"), envelope(1), envelope(2, "eve")])
        await publisher.publish([envelope(2)])
        assert await take(events, 2) == [1, 2]


async def test_streams_are_short_and_expire(ends, client, monkeypatch):
    monkeypatch.setattr(redis_module, "MAX_ENTRIES", 10)
    _, publisher = ends
    for seq in range(1, 101):
        await publisher.publish([envelope(seq, output="x" * 10_000)])
        await asyncio.sleep(0)
    await until(lambda: not publisher._lines)
    stream = streams.stream_of("ada")
    async with asyncio.timeout(20):
        while not await client.xlen(stream):
            await asyncio.sleep(0.01)
    await publisher.publish([envelope(101)])
    await asyncio.sleep(0.1)
    assert await client.xlen(stream) <= 20
    assert 0 < await client.ttl(stream) <= redis_module.STREAM_TTL_S


async def test_many_users_are_read_in_groups(ends, monkeypatch):
    monkeypatch.setattr(streams, "GROUP", 4)
    bus, publisher = ends
    users = [f"user-{n}" for n in range(10)]
    async with bus.subscribe() as events:
        for user in users:
            events.follow(user)
        for user in users:
            await events.following(user)
        assert bus.condition == "Redis, 10 streams read"
        for seq in (1, 2, 3):
            await publisher.publish([envelope(seq, user) for user in users])
        async with asyncio.timeout(20):
            got = [await anext(events) for _ in range(30)]
        for user in users:
            assert [e.event.seq for e in got if e.user_id == user] == [1, 2, 3]
        for user in users[:3]:
            events.unfollow(user)
        events.follow("new")
        await events.following("new")
        assert len(events._groups) == 3  # the room is used again


async def test_without_redis_neither_end_waits_or_fails():
    bus = RedisBus("redis://127.0.0.1:9/0")
    began = time.perf_counter()
    async with bus.subscribe() as events:
        events.follow("ada")
        await bus.publish([envelope(1)])
        await until(lambda: not bus.connected)
        assert "does not answer" in bus.condition
    await bus.close()
    assert time.perf_counter() - began < 10


@pytest.mark.parametrize(
    "url", ["localhost:6379", "http://user:hidden@h", "redis://:hidden@h:port/0", "redis://h:0x"]
)
async def test_a_bad_url_is_named_without_its_password(url):
    for use in (open_bus, serve_bus):
        with pytest.raises(SettingsError, match="REDIS_URL") as caught:
            made = use(Settings(_env_file=None, redis_url=url))
            await made  # type: ignore[misc]
        assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("url", ["rediss://user:secret@h:6380/2", "unix:///run/redis.sock"])
def test_passwords_tls_and_sockets_are_taken(url):
    assert parse_redis_url(url) == url


async def test_a_password_is_used(tmp_path):
    from tests.redis_server import RedisServer

    server = RedisServer(tmp_path, "--requirepass", "s3cret")
    server.start()
    bus = RedisBus(server.url.replace("redis://", "redis://:s3cret@"))
    stranger = RedisBus(server.url)
    try:
        async with bus.subscribe() as events:
            events.follow("ada")
            await events.following("ada")
            await stranger.publish([envelope(1)])
            await bus.publish([envelope(2)])
            assert await take(events, 1) == [2]
    finally:
        await bus.close()
        await stranger.close()
        server.kill()
