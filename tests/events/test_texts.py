"""The text so far: put together from pieces, bounded, and the same from every bus."""

import asyncio

import pytest
from redis.asyncio import Redis

from pilot.events import kept_texts, texts
from pilot.events.model import Envelope, Event, EventType
from pilot.events.redis import RedisBus, RedisPublisher
from pilot.events.texts import LiveTexts, Piece, Place, Placing, Text

KEY = ("ask", "")


def told(kind, run="e1", user="ada", node="ask", path="", attempt=1, seq=None, **data):
    event = Event(kind, run, "w1", "2026-01-01T00:00:00Z", seq, node, path, data=data)
    return Envelope(user, Event(**{**_fields(event), "attempt": attempt}))


def _fields(event):
    return {name: getattr(event, name) for name in Event.__dataclass_fields__}


def speaking(*pieces, round=0, attempt=1, **where):
    """The events of one attempt that says these pieces."""
    placing = Placing()
    return [
        told(
            EventType.LLM_TOKEN,
            attempt=attempt,
            **where,
            **placing.placed({"text": piece}, round=round, attempt=attempt),
        )
        for piece in pieces
    ]


def ends(**where):
    return told(EventType.NODE_SUCCEEDED, seq=9, **where)


async def publish(bus, *envelopes):
    """Publishes, and returns once it is there."""
    async with bus.subscribe() as events:
        events.follow("~test")
        await events.following("~test")
        await bus.publish([*envelopes, told(EventType.LOG, "last", "~test")])
        async with asyncio.timeout(10):
            await anext(events)


async def heard(bus, user="ada", run="e1"):
    return {one.key: (one.text, one.truncated) for one in await bus.texts(user, run)}


async def test_pieces_make_the_text_so_far(bus):
    await publish(bus, *speaking("Good ", "m"))
    await publish(bus, *speaking("two", node="other"), *speaking("three", path="each[1]"))
    assert await heard(bus) == {
        KEY: ("Good m", False),
        ("other", ""): ("two", False),
        ("ask", "each[1]"): ("three", False),
    }
    [one] = [one for one in await bus.texts("ada", "e1") if one.key == KEY]
    assert one.end == Place(0, 1, 6)
    shown = one.event("e1", "w1")
    assert (shown.type, shown.node_id, shown.attempt) == (EventType.LLM_TOKEN, "ask", 1)
    assert shown.data == {"text": "Good m", "anew": True}


async def test_nobody_elses_and_no_other_runs(bus):
    await publish(bus, *speaking("mine"))
    assert await heard(bus, user="eve") == {}
    assert await heard(bus, run="e2") == {}


async def test_a_new_attempt_begins_anew_and_rounds_go_on(bus):
    await publish(bus, *speaking("first try"))
    await publish(bus, *speaking("Let me ", "look. ", attempt=2))
    assert await heard(bus) == {KEY: ("Let me look. ", False)}
    await publish(bus, *speaking("It is 4.", round=1))
    assert await heard(bus) == {KEY: ("Let me look. It is 4.", False)}
    late = speaking("first try, ", "and on")[1:]  # its worker had only stalled
    await publish(bus, *late)
    assert await heard(bus) == {KEY: ("Let me look. It is 4.", False)}
    # a round that is tried again tells without the rounds before, as its watchers were told
    await publish(bus, *speaking("It is 5.", round=1, attempt=2))
    assert await heard(bus) == {KEY: ("It is 5.", False)}


@pytest.mark.parametrize(
    "end", [ends(), told(EventType.NODE_RETRYING), told(EventType.NODE_CANCELLED, seq=9)]
)
async def test_an_end_lets_the_text_go(bus, end):
    await publish(bus, *speaking("gone"), *speaking("stays", node="other"))
    await publish(bus, end)
    assert await heard(bus) == {("other", ""): ("stays", False)}
    await publish(bus, *speaking("told ", attempt=2), end, *speaking("new", attempt=3))
    assert await heard(bus) == {("other", ""): ("stays", False), KEY: ("new", False)}


async def test_a_missing_piece_is_a_missing_beginning(bus):
    one, _, three, four = speaking("a", "b", "c", "d")
    await publish(bus, one, three, four)
    [so_far] = await bus.texts("ada", "e1")
    assert (so_far.text, so_far.truncated, so_far.end.offset) == ("cd", True, 4)
    assert so_far.event("e1", "w1").data == {"text": "cd", "anew": True, "truncated": True}


async def test_a_long_text_loses_its_beginning(bus, monkeypatch):
    monkeypatch.setattr(texts, "MAX_TEXT_CHARS", 10)
    monkeypatch.setattr(kept_texts, "MAX_PIECES", 20)
    await publish(bus, *speaking(*(f"{n:03}" for n in range(100))))
    assert await heard(bus) == {KEY: ("097098099", True)}


async def test_a_flush_is_told(redis_server):
    bus, client = RedisBus(redis_server.url), Redis.from_url(redis_server.url)
    pieces = speaking("lost ", "kept ", "too")
    await publish(bus, pieces[0])
    await client.flushall()
    assert await bus.texts("ada", "e1") == []
    await publish(bus, *pieces[1:])
    assert await heard(bus) == {KEY: ("kept too", True)}
    for name in await client.keys("pilot:texts:*"):
        assert 0 < await client.ttl(name) <= kept_texts.TTL_S
    await client.aclose()
    await bus.close()


async def test_a_redis_that_is_away_has_no_texts(redis_server):
    bus = RedisBus(redis_server.url)
    await publish(bus, *speaking("a"))
    redis_server.kill()
    async with asyncio.timeout(10):
        assert await bus.texts("ada", "e1") == []
    redis_server.start()
    await bus.close()


async def test_what_is_kept_is_there_before_it_is_live(redis_server):
    """Whoever hears a piece live finds it in the text so far."""
    bus, publisher = RedisBus(redis_server.url), RedisPublisher(redis_server.url)
    async with bus.subscribe() as events:
        events.follow("ada")
        await events.following("ada")
        for envelope in speaking(*(f"{n} " for n in range(50))):
            await publisher.publish([envelope])
            async with asyncio.timeout(10):
                live = (await anext(events)).event
            [so_far] = await bus.texts("ada", "e1")
            assert so_far.end.offset >= live.data["offset"] + len(live.data["text"])
    await publisher.close()
    await bus.close()


def test_a_process_keeps_a_bounded_sum(monkeypatch):
    monkeypatch.setattr(texts, "MAX_TOTAL_CHARS", 5 * (texts.NODE_CHARS + 100))
    kept = LiveTexts()
    for run in range(50):
        kept.take(speaking("x" * 100, run=f"e{run}"))
    assert [run for run in range(50) if kept.of("ada", f"e{run}")] == [45, 46, 47, 48, 49]
    kept.take([told(EventType.EXECUTION_SUCCEEDED, run="e49", node=None, seq=20)])
    kept.take([ends(run="e48")])
    assert (kept.of("ada", "e49"), kept.of("ada", "e48")) == ([], [])
    kept.take(speaking("y" * 300, run="e50"))
    assert len(kept.of("ada", "e45")) == len(kept.of("ada", "e50")) == 1


def test_a_piece_survives_its_encoding():
    for envelope in speaking("déjà", "\ud83d", "\u2028 😀", round=1, attempt=2):
        piece = Piece.of(envelope.event)
        assert Piece.decode(piece.encode()) == piece


def test_characters_are_code_points():
    text = Text()
    for envelope in speaking("😀", "é", "x"):
        text.add(Piece.of(envelope.event))
    so_far = text.so_far(KEY)
    assert (so_far.text, so_far.truncated, so_far.end.offset) == ("😀éx", False, 3)
