"""What every bus does, whichever carries it: in process, over loopback, on Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import pytest

from pilot.events.bus import Bus, InProcessBus, Outbound
from pilot.events.loopback import LoopbackHub, LoopbackPublisher
from pilot.events.model import Envelope, Event, EventType
from pilot.events.redis import RedisBus, RedisPublisher
from pilot.events.wire import encode


@dataclass
class Ends:
    """A reading end and two publishing ones, of two processes where there can be two."""

    bus: Bus
    one: Outbound
    two: Outbound


@pytest.fixture(params=["in-process", "loopback", "redis"])
async def ends(request: pytest.FixtureRequest) -> AsyncIterator[Ends]:
    if request.param == "in-process":
        bus = InProcessBus()
        yield Ends(bus, bus, bus)
        await bus.close()
        return
    if request.param == "loopback":
        hub = LoopbackHub("tcp://127.0.0.1:0", "secret")
        await hub.start()
        made = Ends(hub, LoopbackPublisher(hub.url, "secret"), LoopbackPublisher(hub.url, "secret"))
    else:
        url = request.getfixturevalue("redis_url")
        made = Ends(RedisBus(url), RedisPublisher(url), RedisPublisher(url))
    yield made
    for end in (made.one, made.two, made.bus):
        await end.close()


@pytest.fixture
def user() -> str:
    return f"ada|{uuid4().hex} \u00e9"


def envelope(user: str, seq: int | None, **data: object) -> Envelope:
    kind = EventType.NODE_SUCCEEDED if seq else EventType.LLM_TOKEN
    event = Event(kind, "e1", "w1", "2026-01-01T00:00:00Z", seq, "n", data=data)
    return Envelope(user, event, f"0000000000000001.{seq}" if seq else "")


async def take(events, count: int) -> list[Envelope]:
    async with asyncio.timeout(20):
        return [await anext(events) for _ in range(count)]


@asynccontextmanager
async def following(bus: Bus, *users: str):
    async with bus.subscribe() as events:
        for user in users:
            events.follow(user)
        async with asyncio.timeout(20):
            for user in users:
                await events.following(user)
        yield events


async def test_events_arrive_in_order_whole_and_unchanged(ends, user):
    sent = [envelope(user, n, output={"π": "x\n\u2028", "big": 2**80}) for n in range(1, 2001)]
    sent.insert(1000, envelope(user, None, text="a token"))
    async with following(ends.bus, user) as events:
        for start in range(0, len(sent), 500):
            await ends.one.publish(sent[start : start + 500])
        assert await take(events, len(sent)) == sent


async def test_every_subscriber_gets_all(ends, user):
    async with following(ends.bus, user) as one, following(ends.bus, user) as two:
        await ends.one.publish([envelope(user, n) for n in range(1, 50)])
        for events in (one, two):
            assert [e.event.seq for e in await take(events, 49)] == list(range(1, 50))


async def test_several_publishers_feed_one_reader(ends, user):
    async with following(ends.bus, user) as events:
        await ends.one.publish([envelope(user, 1)])
        await ends.two.publish([envelope(user, 2)])
        assert {e.event.seq for e in await take(events, 2)} == {1, 2}


async def test_only_followed_users_events_come(ends, user):
    async with following(ends.bus, user) as events:
        await ends.one.publish([envelope("another", 1), envelope(user, 2)])
        assert [e.user_id for e in await take(events, 1)] == [user]
        events.unfollow(user)
        await ends.one.publish([envelope(user, 3)])
        later = f"later-{user}"
        events.follow(later)
        await events.following(later)
        await ends.one.publish([envelope(user, 4), envelope(later, 1)])
        assert [e.user_id for e in await take(events, 1)] == [later]


async def test_what_came_before_a_user_was_followed_does_not_come(ends, user):
    async with following(ends.bus, "somebody") as events:
        await ends.one.publish([envelope(user, 1), envelope("somebody", 1)])
        await take(events, 1)
        events.follow(user)
        await events.following(user)
        await ends.one.publish([envelope(user, 2)])
        assert [e.event.seq for e in await take(events, 1)] == [2]


async def test_users_may_come_while_events_flow(ends, user):
    users = [f"{user}-{n}" for n in range(30)]
    async with following(ends.bus, user) as events:
        for seq, other in enumerate(users, start=1):
            events.follow(other)
            await events.following(other)
            await ends.one.publish([envelope(user, seq), envelope(other, 1)])
        got = await take(events, 60)
    assert [e.event.seq for e in got if e.user_id == user] == list(range(1, 31))
    assert [e.user_id for e in got if e.user_id != user] == users


async def test_large_outputs_are_trimmed_on_the_way(ends, user):
    async with following(ends.bus, user) as events:
        await ends.one.publish([envelope(user, 1, output="x" * 3_000_000, meta={"a": 1})])
        (got,) = await take(events, 1)
    assert got.event.data["truncated"] is True
    assert got.event.data["meta"] == {"a": 1}
    assert len(encode(got)) < 20_000


async def test_closing_ends_subscriptions(ends, user):
    async with following(ends.bus, user) as events:
        await ends.bus.close()
        async with asyncio.timeout(5):
            assert [e async for e in events] == []
