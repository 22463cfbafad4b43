"""Who watches is told at once, many are told in rounds."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

from api.live.turns import LONG_REST_S, MANY_ROUNDS, MAX_REST_S, REST_S, Turns


async def _next(turns: Turns) -> float:
    """Seconds until a writer has its turn."""
    begun = asyncio.Event()
    asked = time.monotonic()
    turns.join(begun.set)
    await begun.wait()
    return time.monotonic() - asked


async def test_the_first_writer_begins_at_once_and_one_alone_hardly_waits() -> None:
    turns = Turns()
    asked = time.monotonic()
    for _ in range(50):
        await _next(turns)
    # fifty rounds of one: a rest of 0.5 ms each, not one of the many's
    assert time.monotonic() - asked < 50 * MAX_REST_S / 4


async def test_after_many_have_written_the_next_round_takes_its_time_and_all_that_came() -> None:
    turns, rounds = Turns(), list[int]()
    began = time.monotonic()
    for _ in range(200):
        turns.join(lambda: rounds.append(1))
    await asyncio.sleep(0.01)
    assert len(rounds) == 200
    for _ in range(30):
        turns.join(lambda: rounds.append(2))
    await _next(turns)
    assert time.monotonic() - began >= 200 * REST_S - 0.005
    assert rounds.count(2) == 30


async def test_however_many_watch_a_round_comes_in_a_quarter_of_a_second() -> None:
    turns = Turns()
    for _ in range(5_000):
        turns.join(lambda: None)
    await asyncio.sleep(0.01)
    assert await _next(turns) >= MAX_REST_S - 0.1


async def test_who_joins_during_a_round_is_in_the_next() -> None:
    turns, order = Turns(), list[str]()

    def first() -> None:
        order.append("first")
        turns.join(lambda: order.append("second"))

    turns.join(first)
    turns.join(lambda: order.append("beside"))
    await asyncio.sleep(0.05)
    assert order == ["first", "beside", "second"]


async def test_a_stream_that_never_pauses_is_told_in_longer_rounds() -> None:
    turns, rounds = Turns(), list[float]()

    def write() -> None:
        rounds.append(time.monotonic())
        if len(rounds) < 2 * MANY_ROUNDS:
            turns.join(write, 100)

    turns.join(write, 100)
    async with asyncio.timeout(20):
        while len(rounds) < 2 * MANY_ROUNDS:
            await asyncio.sleep(0.01)
    rests = [after - before for before, after in pairwise(rounds)]
    assert all(rest >= 100 * REST_S - 0.01 for rest in rests)
    assert all(rest >= 100 * LONG_REST_S - 0.01 for rest in rests[MANY_ROUNDS:])


async def test_after_a_pause_rounds_are_short_again() -> None:
    turns, rests = Turns(), list[float]()
    for _ in range(10 * MANY_ROUNDS):
        turns.join(lambda: None, 100)
        await asyncio.sleep(0)
        rests.append(await _next(turns))
        await asyncio.sleep(100 * LONG_REST_S)  # in which nobody has anything to say
        if min(rests[MANY_ROUNDS:], default=1.0) < 100 * LONG_REST_S - 0.01:
            return
    raise AssertionError(rests)
