"""The contract of places at models, on every database."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from pilot.store import Store
from pilot.store.places import Caller, Refusal, Taken
from pilot.throttle import ModelLimit, limits_of, model_limits

ONE, TWO = ModelLimit("gpt-*", in_flight=1), ModelLimit("gpt-*", in_flight=2)


def caller(key: str, whose: str = "", token: str = "1") -> Caller:
    return Caller(key, whose or key, token)


async def take(
    store: Store, who: Caller, *limits: ModelLimit, lease_s: float = 60, present_s: float = 60
) -> Refusal | None:
    return await store.places.take(who, limits, lease_s=lease_s, present_s=present_s)


async def test_as_many_as_the_limit_says(store: Store) -> None:
    a, b, c = caller("a"), caller("b"), caller("c")
    assert await take(store, a, TWO) is None
    assert await take(store, b, TWO) is None
    assert await take(store, c, TWO) == Refusal("gpt-*", ahead=0)
    assert await store.places.taken() == {"gpt-*": Taken(held=2, waiting=1)}
    await store.places.give_back(a)
    assert await take(store, c, TWO) is None
    for who in (b, c):
        await store.places.give_back(who)
    assert await store.places.taken() == {}


async def test_of_many_at_once_only_so_many_get_one(store: Store) -> None:
    got = await asyncio.gather(*(take(store, caller(f"c{i}"), TWO) for i in range(12)))
    assert got.count(None) == 2
    assert await store.places.taken() == {"gpt-*": Taken(held=2, waiting=10)}


async def test_a_second_attempt_takes_the_place_over(store: Store) -> None:
    first, second = caller("a"), caller("a", token="2")
    assert await take(store, first, ONE) is None
    assert await take(store, second, ONE) is None
    assert await store.places.taken() == {"gpt-*": Taken(held=1, waiting=0)}
    # the first is late: the place is not its own any more
    await store.places.renew(first, [ONE], -1)
    await store.places.give_back(first)
    assert await take(store, caller("b"), ONE) is not None
    await store.places.give_back(second)
    assert await take(store, caller("b"), ONE) is None


async def test_taking_twice_is_taking_once(store: Store) -> None:
    """As after an answer that was lost: neither a second place nor a second token is used."""
    limit = ModelLimit("*", in_flight=1, per_minute=1)
    assert await take(store, caller("a"), limit) is None
    assert await take(store, caller("a"), limit) is None


async def test_a_lease_that_is_not_renewed_ends(store: Store) -> None:
    dead, other = caller("dead"), caller("other")
    assert await take(store, dead, ONE, lease_s=-1) is None
    assert await take(store, other, ONE) is None
    # it was not dead after all: the call is made, and so it counts
    await store.places.renew(dead, [ONE], 60)
    assert await store.places.taken() == {"gpt-*": Taken(held=2, waiting=0)}
    await store.places.give_back(other)
    assert await take(store, other, ONE) is not None


async def test_first_come_first_served(store: Store) -> None:
    holder, *others = (caller(name) for name in ("holder", "b", "c", "d"))
    assert await take(store, holder, ONE) is None
    refusals = [await take(store, who, ONE) for who in others]
    assert [refusal and refusal.ahead for refusal in refusals] == [0, 1, 2]
    await store.places.give_back(holder)
    assert await take(store, caller("late"), ONE) is not None
    assert await take(store, others[1], ONE) is not None
    assert await take(store, others[0], ONE) is None


async def test_who_is_away_is_passed_by_and_keeps_its_place_in_line(store: Store) -> None:
    holder, away, next_one = caller("holder"), caller("away"), caller("next")
    assert await take(store, holder, ONE) is None
    assert await take(store, away, ONE) is not None
    assert await take(store, next_one, ONE) is not None
    await store.places.defer(away, 0)
    await store.places.give_back(holder)
    assert await take(store, next_one, ONE) is None
    assert await take(store, caller("last"), ONE) is not None
    assert await take(store, away, ONE) == Refusal("gpt-*", ahead=0)
    await store.places.give_back(next_one)
    assert await take(store, caller("last"), ONE) is not None
    assert await take(store, away, ONE) is None


async def test_who_gives_up_keeps_nobody_waiting(store: Store) -> None:
    holder, first = caller("holder"), caller("first")
    assert await take(store, holder, ONE) is None
    assert await take(store, first, ONE) is not None
    await store.places.give_back(first)
    await store.places.give_back(holder)
    assert await take(store, caller("b"), ONE) is None


async def test_one_owners_many_do_not_keep_anothers_one_waiting(store: Store) -> None:
    busy = [caller(f"busy{i}", "busy") for i in range(6)]
    assert await take(store, busy[0], ONE) is None
    for who in busy[1:]:
        assert await take(store, who, ONE) is not None
    lone = caller("lone")
    refusal = await take(store, lone, ONE)
    assert refusal is not None
    assert refusal.ahead == 0
    await store.places.give_back(busy[0])
    assert await take(store, busy[1], ONE) is not None
    assert await take(store, lone, ONE) is None


async def test_all_limits_or_none(store: Store) -> None:
    wide, narrow = ModelLimit("*", in_flight=5), ModelLimit("openai/*", in_flight=1)
    assert await take(store, caller("a"), wide, narrow) is None
    refusal = await take(store, caller("b"), wide, narrow)
    assert refusal is not None
    assert refusal.pattern == "openai/*"
    assert await store.places.taken() == {"*": Taken(1, 0), "openai/*": Taken(1, 1)}
    assert await take(store, caller("c"), wide) is None


async def test_a_bucket_by_the_minute(store: Store) -> None:
    """A minute allows 40: two at once (a twentieth), and then one each 60/39 s."""
    limit = ModelLimit("*", per_minute=40)
    assert await take(store, caller("a"), limit) is None
    assert await take(store, caller("b"), limit) is None
    refusal = await take(store, caller("c"), limit)
    assert refusal is not None
    assert 0 < refusal.after_s <= 60 / 39
    # those who wait are counted in
    refusal = await take(store, caller("d"), limit)
    assert refusal is not None
    assert 60 / 39 < refusal.after_s <= 120 / 39
    # that the calls are over gives nothing back
    for name in "ab":
        await store.places.give_back(caller(name))
    assert await take(store, caller("c"), limit) is not None


async def test_a_bucket_fills_again(store: Store) -> None:
    limit = ModelLimit("*", per_minute=600)
    assert limit.burst == 30
    got = [await take(store, caller(f"c{i}"), limit) for i in range(40)]
    assert got[:30] == [None] * 30
    async with asyncio.timeout(20):
        while await take(store, caller("c39x", "c39x"), limit, present_s=0) is not None:
            for i in range(30, 40):
                await store.places.give_back(caller(f"c{i}"))
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("rate", [1, 2, 7, 19, 20, 21, 60, 1000])
def test_no_minute_has_more_than_its_limit(rate: int) -> None:
    limit = ModelLimit("*", per_minute=rate)
    at, full_at, calls = 0.0, 0.0, []
    while at < 200:
        wait = max(full_at - at, 0.0) - (limit.burst - 1) * limit.interval_s
        if wait > 1e-9:
            at += wait
            continue
        full_at = max(full_at, at) + limit.interval_s
        calls.append(at)
    windows = [sum(begin <= one < begin + 60 - 1e-6 for one in calls) for begin in calls[:200]]
    assert max(windows) == rate


async def test_what_is_long_over_goes(store: Store) -> None:
    assert await take(store, caller("holder"), ONE) is None
    assert await take(store, caller("gone"), ONE) is not None
    await store.places.defer(caller("gone"), -timedelta(hours=2).total_seconds())
    await store.places.give_back(caller("holder"))
    assert await store.places.taken() == {"gpt-*": Taken(0, 0)}
    assert await take(store, caller("b"), ONE) is None
    await store.places.give_back(caller("b"))
    assert await store.places.taken() == {}


def test_limits_are_read() -> None:
    limits = model_limits(" openai/*=50/3000, gpt-4o=/60,*=7 ,")
    assert limits == [
        ModelLimit("openai/*", 50, 3000),
        ModelLimit("gpt-4o", None, 60),
        ModelLimit("*", 7),
    ]
    assert [one.pattern for one in limits_of("OpenAI/gpt-4o", limits)] == ["openai/*", "*"]
    assert str(limits[0]) == "openai/* allows 50 at once and 3,000 a minute"


@pytest.mark.parametrize(
    "text", ["x", "=3", "x=", "x=0", "x=1/0", "x=/", "x=a", "x=1,x=2", "x=1.5", "x=10000000"]
)
def test_limits_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"limits|is not <pattern>"):
        model_limits(text)
